//! The supervised child's parent: reaps, keeps its exit status, outlives the guard, decides nothing.
