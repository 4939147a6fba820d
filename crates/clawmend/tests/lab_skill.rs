//! Real OpenClaw loads the skill.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Guard, Home, HomeOptions, lab};
use serde_json::{Value, json};
use std::path::Path;

const CLAWMEND: &str = env!("CARGO_BIN_EXE_clawmend");
const SKILL: &str = include_str!("../../../packaging/skill/clawmend/SKILL.md");

#[test]
fn the_real_openclaw_loads_the_skill() -> Result<()> {
    let Some(permit) = lab("the skill")? else { return Ok(()) };
    let mut guard = Guard::over_child(permit, CLAWMEND, Home::new(HomeOptions::default())?)?;
    let folder = guard.home.state_dir().join("skills/clawmend");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("SKILL.md"), SKILL)?;
    for (here, eligible) in [(false, false), (true, true)] {
        if here {
            // It asks for the program; then it is on the way.
            let programs = Path::new(CLAWMEND).parent().context("a folder")?.display().to_string();
            let path = std::env::var("PATH").unwrap_or_default();
            guard.set_variable("PATH", &format!("{}:{programs}:{path}", guard_path(&guard)?));
        }
        let skill = listed(&guard)?;
        ensure!(skill["eligible"] == json!(eligible), "program there: {here}: {skill}");
        ensure!(skill["modelVisible"] == json!(eligible), "{skill}");
    }
    Ok(())
}

/// What the lab's own commands have as `PATH`.
fn guard_path(guard: &Guard) -> Result<String> {
    let command = guard.openclaw();
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
    Ok(path.context("no PATH")?.to_string_lossy().into_owned())
}

fn listed(guard: &Guard) -> Result<Value> {
    let output = guard.openclaw().args(["skills", "list", "--json"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let begin = text.find('{').with_context(|| format!("no JSON: {output:?}"))?;
    let list: Value = serde_json::from_str(&text[begin..])?;
    let skills = list["skills"].as_array().context("no skills")?;
    skills.iter().find(|skill| skill["name"] == json!("clawmend")).cloned().context("the skill is not listed")
}
