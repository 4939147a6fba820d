//! The skill for OpenClaw's assistant names only commands that are there, and none that the assistant may not use.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

const SKILL: &str = include_str!("../../../packaging/skill/clawmend/SKILL.md");

/// The lines of its code blocks, split into words.
fn commands() -> Vec<Vec<String>> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in SKILL.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            let command = line.split(" #").next().unwrap_or_default().trim();
            // One quoted text is one word.
            let quoted: Vec<&str> = command.split('"').collect();
            let words = quoted.iter().enumerate().flat_map(|(number, part)| match number % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
                _ => vec![(*part).to_owned()],
            });
            found.push(words.collect());
        }
    }
    found
}

#[test]
fn every_command_is_there() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    for words in &commands {
        assert_eq!(words[0], "clawmend");
        let output =
            Command::new(env!("CARGO_BIN_EXE_clawmend")).args(&words[1..]).arg("--help").output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_it_would_run_only_looks() {
    let changes = ["approve", "deny", "pair", "restart", "start", "stop", "pause", "resume", "set", "restore", "apply"];
    for words in commands() {
        assert!(!words.iter().any(|word| changes.contains(&word.as_str())), "{words:?}");
    }
}
