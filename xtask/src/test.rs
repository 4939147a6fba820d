//! All tests: first everything that needs no gateway, then each lab in a process of its own, one after another.
//!
//! What every test printed is looked through for the made-up secrets of the run ([`canaries`]); one of them fails it.
//!
//! A lab is a test target whose name begins with `lab_`. Its process has a time limit; when it passes, what the lab
//! started is ended by the mark that it inherited.

mod binaries;
mod canaries;
mod lab;
mod next;

use crate::matrix;
use crate::run::cargo;
use crate::set_up;
use anyhow::{Context, Result};
use binaries::TestBinary;
use canaries::Canaries;
use std::process::Stdio;
use std::time::Instant;

/// Tests of one program that run at once: many of them wait, for a process or for a bound.
const AT_ONCE: &str = "--test-threads=6";

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    failures: Vec<String>,
    skips: Vec<String>,
    /// What labs said of a fault, without the `fault: ` before it.
    pub faults: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
        self.skips.extend(other.skips);
        self.faults.extend(other.faults);
    }
}

/// Runs all tests; `true` when none failed.
///
/// # Errors
/// When they cannot be built.
pub fn test(only_lab: Option<&str>, no_labs: bool) -> Result<bool> {
    set_up::set_up()?;
    let begin = Instant::now();
    let binaries = binaries::build()?;
    let canaries = Canaries::fresh()?;
    let mut tally = Tally::default();
    if only_lab.is_none() {
        for binary in binaries.iter().filter(|binary| !binary.is_lab()) {
            tally.add(plain(binary, &canaries)?);
        }
        tally.add(documentation(&canaries)?);
    }
    if !no_labs {
        // Built only for the lab that needs it.
        let next = if only_lab.is_some_and(wants_next) { next::variables()? } else { Vec::new() };
        for binary in binaries.iter().filter(|binary| binary.is_lab()) {
            for name in lab::names(binary)? {
                if only_lab.is_none_or(|wanted| name.contains(wanted) || binary.name.contains(wanted)) {
                    if only_lab.is_none() && in_matrix_only(&binary.name, &name) {
                        tally.add(left_to_the_matrix(&name));
                    } else {
                        tally.add(lab::run(binary, &name, &next, &canaries)?);
                    }
                }
            }
        }
    }
    println!("\nall tests took {} s", begin.elapsed().as_secs());
    Ok(report(&tally))
}

/// Labs that prove a row a second time, in the other form, or the lab's own parts, and those that need a second build
/// or a system manager of their own. They take longer than the rest, so they run with `cargo xtask matrix`, and alone
/// with `cargo xtask test --lab NAME`.
const IN_MATRIX_ONLY: &[&str] = &[
    "child_disk_full_while_running",
    "child_provider_down",
    "a_real_gateway_is_measured",
    "unit_deaf_channel_is_started_again",
    "child_provider_kinds",
    "child_quota_used_up",
    "child_stops",
    "child_broken_config",
    "unit_broken_config",
    "unit_heap_exhausted",
    "unit_spin_and_crashes",
    "child_port_in_use",
    "unit_config_is_restored",
    "child_thirty_guard_deaths",
    "child_own_restart_and_slow_boot",
    "child_config_is_restored",
    "child_unknown_token",
    "a_persons_word_repairs_a_frozen_gateway_and_only_once",
    "a_tap_on_a_card_repairs_a_frozen_gateway_and_only_once",
    "a_drill_takes_over_with_its_secrets_and_steps_back",
    "the_second_standby_carries_only_where_the_first_does_not",
    "the_second_standby_carries_when_both_before_it_are_lost",
    "a_node_that_could_start_nothing_takes_nothing_over",
    "what_a_person_says_of_a_warm_nodes_gateway_holds",
    "unit_stops_around_a_crash",
    "unit_stops_in_every_state",
    "a_standby_that_dies_goes_on_and_a_persons_word_stays",
    "a_warm_standby_takes_over_without_a_start_and_steps_back",
    "a_warm_gateway_that_is_frozen_leads_to_the_cold_way",
    "a_warm_standby_goes_on_where_its_guard_died",
    "an_owner_that_is_cut_off_from_everything_is_followed",
    "a_person_vouches_for_exactly_what_they_were_shown",
    "unit_three_crashes_do_not_leave_the_bot_deaf",
    "unit_guard_deaths",
    "unit_silences",
    "unit_own_restart_and_slow_boot",
    "unit_turn_in_flight",
    "unit_hung_manager",
    "system_unit_with_and_without_a_polkit_rule",
    "system_unit_and_guards_of_others",
    "child_upgrade_and_downgrade_under_load",
    "faults_of_one_life",
    "breaker_after_three_kills_and_a_turn_of_a_minute",
    "what_is_written_at_the_step_back_is_answered",
    "both_answer_while_one_direction_is_lost",
    "a_frozen_primary_answers_what_came_meanwhile",
    "a_primary_that_comes_and_goes_is_told_of",
    "a_primary_that_comes_and_goes_for_ten_minutes_is_told_of",
    "a_standbys_guard_dies_in_each_state",
    "a_gateway_and_then_a_guard_of_the_primary_die",
    "both_are_down_and_whoever_comes_first_serves",
    "the_git_remote_and_the_ssh_host_are_down",
    "a_full_disk_on_the_standby",
    "who_is_no_peer_promotes_nobody_and_is_named",
    "a_workspace_that_cannot_be_merged_and_a_huge_file_lose_nothing",
    "a_primary_whose_config_cannot_be_read_stays_known",
    "the_documents_timing_holds",
    "a_warm_standby_is_measured",
    "a_host_that_is_cut_off_loses_no_message",
    "a_slow_boot_by_a_quota",
    "a_unit_of_a_real_user_manager",
    "a_store_that_is_lost_leaves_nobody_and_one_when_it_is_back",
    "an_owner_that_hears_nothing_of_the_store_is_gone_before_the_next_one_begins",
    "a_machine_that_stands_still_is_turned_off_before_it_is_followed",
    "a_machine_that_stands_still_is_not_followed_without_a_persons_word",
    "a_second_reader_is_a_split_brain",
    "a_way_that_comes_and_goes_within_the_lease_changes_nothing",
    "a_way_that_comes_and_goes_leads_to_one_takeover",
    "a_standby_nodes_guard_dies_in_each_state",
    "a_store_that_is_slow_or_talks_nonsense_promotes_nobody",
    "a_gateway_whose_guard_and_keeper_are_frozen_is_shut_off",
    "a_fence_that_cannot_be_renewed_ends_its_gateway",
    "a_warm_gateway_waits_behind_its_fence",
    "a_gateway_from_before_the_fence_is_not_left_to_run",
    "a_warm_node_takes_over_from_a_host_that_is_lost",
    "a_warm_node_speaks_for_nobody",
    "a_switch_waits_for_the_turn_in_flight",
    "a_warm_group_is_measured",
];

/// The lab that upgrades and downgrades.
fn wants_next(name: &str) -> bool {
    "child_upgrade_and_downgrade_under_load".contains(name) || "clawmend/lab_upgrade".contains(name)
}

/// Of the labs that judge one fault each, those that run with all other tests.
const FAULTS_ALWAYS: [&str; 2] = ["config::half_written_config", "ended::heap_exhausted"];

fn in_matrix_only(binary: &str, name: &str) -> bool {
    if binary == matrix::FAULTS { !FAULTS_ALWAYS.contains(&name) } else { IN_MATRIX_ONLY.contains(&name) }
}

fn left_to_the_matrix(name: &str) -> Tally {
    println!("skipped {name} (`cargo xtask matrix` runs it)");
    Tally { skipped: 1, skips: vec![format!("{name}: in the matrix only")], ..Tally::default() }
}

/// Runs the labs of the matrix that are wanted by program and name, several times; `after_each` sees what came so far.
///
/// # Errors
/// When they cannot be built, or `after_each` fails.
pub fn labs_repeated(
    repeat: u32,
    wanted: &dyn Fn(&str, &str) -> bool,
    after_each: &dyn Fn(&Tally) -> Result<()>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let binaries = binaries::build()?;
    let canaries = Canaries::fresh()?;
    let mut labs = Vec::new();
    for binary in binaries.iter().filter(|binary| binary.is_lab()) {
        let names = lab::names(binary)?.into_iter().filter(|name| wanted(&binary.name, name));
        labs.extend(names.map(|name| (binary, name)));
    }
    let mut variables = vec![("CLAWMEND_LAB_MATRIX", "1".to_owned())];
    if labs.iter().any(|(_, name)| wants_next(name)) {
        variables.extend(next::variables()?);
    }
    for round in 1..=repeat {
        println!("round {round} of {repeat}");
        for (binary, name) in &labs {
            tally.add(lab::run(binary, name, &variables, &canaries)?);
            after_each(&tally)?;
        }
    }
    Ok(tally)
}

/// What a lab showed when it was run last, if it passed; `None` where that is not known.
pub fn shown_before(binary: &str, name: &str) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(&std::fs::read(lab::log(binary, name)).ok()?).into_owned();
    let tally = summaries(&text);
    (tally.failed == 0 && tally.passed > 0 && !tally.faults.is_empty()).then_some(tally.faults)
}

/// Prints what failed and what was skipped, and the one line that sums all up.
pub fn report(tally: &Tally) -> bool {
    for skip in &tally.skips {
        println!("skipped: {skip}");
    }
    // Last, where a log that was cut still has it.
    for failure in &tally.failures {
        println!("FAILED: {failure}");
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    tally.failed == 0
}

/// One test binary without labs, with all its tests at once.
fn plain(binary: &TestBinary, canaries: &Canaries) -> Result<Tally> {
    let begin = Instant::now();
    let mut command = binary.command();
    canaries.tell(command.args(["--show-output", AT_ONCE]));
    let output = command.output().with_context(|| binary.name.clone())?;
    if let Some(tally) = canaries.leaked(&binary.name, &[&output.stdout, &output.stderr])? {
        return Ok(tally);
    }
    let text = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut tally = summaries(&text);
    if !output.status.success() {
        println!("{text}");
        if tally.failed == 0 {
            tally.failed = 1;
            tally.failures.push(format!("{} ended with {}", binary.name, output.status));
        }
    }
    for figure in text.lines().filter_map(|line| Some(line.split_once("measured: ")?.1)) {
        println!("     {figure}");
    }
    println!("{}: {} passed, {} failed, {} s", binary.name, tally.passed, tally.failed, begin.elapsed().as_secs());
    Ok(tally)
}

fn documentation(canaries: &Canaries) -> Result<Tally> {
    let mut command = cargo();
    canaries.tell(command.args(["test", "--quiet", "--locked", "--workspace", "--doc"]));
    let output = command.stdin(Stdio::null()).output()?;
    if let Some(tally) = canaries.leaked("the documentation", &[&output.stdout, &output.stderr])? {
        return Ok(tally);
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut tally = summaries(&text);
    if !output.status.success() {
        println!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        tally.failed = tally.failed.max(1);
    }
    Ok(tally)
}

/// Reads libtest's own words: its summary lines, the failures, and what tests said about skipping.
fn summaries(text: &str) -> Tally {
    let mut tally = Tally::default();
    let mut skipped_whole = 0;
    for line in text.lines() {
        if let Some((before, fault)) = line.split_once("fault: ")
            && (before.is_empty() || before.ends_with("... "))
        {
            tally.faults.push(fault.to_owned());
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            tally.passed += count(counts, " passed");
            tally.failed += count(counts, " failed");
            tally.skipped += count(counts, " ignored");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")) {
            tally.failures.push(name.to_owned());
        } else if let Some(reason) = line.trim().strip_prefix("skipped part: ") {
            tally.skipped += 1;
            tally.skips.push(reason.to_owned());
        } else if let Some((before, reason)) = line.split_once("skipped: ")
            && (before.trim().is_empty() || before.ends_with("... "))
        {
            skipped_whole += 1;
            tally.skips.push(reason.to_owned());
        }
    }
    // libtest counted them as passed.
    tally.passed = tally.passed.saturating_sub(skipped_whole);
    tally.skipped += skipped_whole;
    tally
}

/// The number before a word, in `ok. 3 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> usize {
    let before = counts.split(word).next().unwrap_or_default();
    before
        .rsplit(|character: char| !character.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn libtest_is_understood() {
        let text = "running 4 tests\ntest a ... ok\ntest b ... FAILED\ntest c ... skipped: no root\nok\n\
                    test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s\n\
                    skipped part: freezer: no cgroup\nfault: crash: repaired in 9 ms (how)\n\
                    no fault: of this kind\n";
        let tally = summaries(text);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (1, 1, 3));
        assert_eq!(tally.failures, ["b"]);
        assert_eq!(tally.skips, ["no root", "freezer: no cgroup"]);
        assert_eq!(tally.faults, ["crash: repaired in 9 ms (how)"]);
    }
}
