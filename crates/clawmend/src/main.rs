//! The `clawmend` program: see [`clawmend::cli`].

fn main() -> std::process::ExitCode {
    clawmend::cli::main()
}
