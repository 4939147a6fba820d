//! The `clawmend` program: see [`clawmend::cli`].

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
