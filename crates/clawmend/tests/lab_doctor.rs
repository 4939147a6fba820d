//! The doctor and the bundle before a real gateway, without a guard: well, then with an event loop that spins.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use clawmend_testkit::lab::{Home, HomeOptions, Inspector, Permit, RealGateway, lab, until_some};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A loaded machine starts programs slowly.
const SOON: Duration = Duration::from_secs(120);

struct Person<'a> {
    permit: &'a Permit,
    home: &'a Home,
    own: tempfile::TempDir,
}

impl Person<'_> {
    fn run(&self, args: &[&str]) -> Output {
        std::fs::create_dir_all(self.own.path().join("run")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_clawmend"))
            .args(args)
            .current_dir(self.own.path())
            .env_clear()
            .env("PATH", self.permit.cache.path_variable())
            .env("HOME", self.home.path())
            .env("CLAWMEND_STATE_DIR", self.own.path().join("state"))
            .env("CLAWMEND_RUNTIME_DIR", self.own.path().join("run"))
            .env("CLAWMEND_CONFIG", self.own.path().join("clawmend.toml"))
            .output()
            .unwrap()
    }

    /// What the doctor finds by looking at the process. The log of the day is shared with other gateways of this
    /// machine, so what it says is not judged here.
    fn by_facts(&self) -> Vec<(String, String)> {
        let output = self.run(&["doctor", "--json"]);
        assert!(output.status.success(), "{output:?}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let causes = told["causes"].as_array().unwrap().iter();
        let facts = causes.filter_map(|cause| {
            let fact = cause["evidence"].as_array()?.iter().find(|evidence| evidence["kind"] == "fact")?;
            Some((cause["case"].as_str()?.to_owned(), fact["text"].as_str()?.to_owned()))
        });
        facts.collect()
    }

    fn bundle(&self, name: &str) -> BTreeMap<String, String> {
        let begun = Instant::now();
        let output = self.run(&["bundle", "--output", name]);
        assert!(output.status.success(), "{output:?}");
        println!("bundle {name}: {} ms", begun.elapsed().as_millis());
        unpack(&self.own.path().join(name))
    }
}

fn unpack(path: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    });
    entries.collect()
}

#[test]
fn a_real_gateway_is_measured() {
    let Some(permit) = lab("a_real_gateway_is_measured").unwrap() else { return };
    let home = Home::new(HomeOptions::default()).unwrap();
    let mut gateway = RealGateway::start(&permit, &home).unwrap();
    gateway.ready().unwrap();
    let person = Person { permit: &permit, home: &home, own: tempfile::tempdir().unwrap() };

    // The end of a boot keeps the event loop busy for a while.
    let (_, waited) = until_some("the doctor to have nothing against it", SOON, || {
        let facts = person.by_facts();
        println!("well: {facts:?}");
        Ok(facts.is_empty().then_some(()))
    })
    .unwrap();
    println!("nothing against it after {} ms", waited.as_millis());
    let parts = person.bundle("well.tar.gz");
    let process: Value = serde_json::from_str(&parts["process.json"]).unwrap();
    println!("{}", parts["process.json"]);
    assert_eq!(process["process"]["pid"], gateway.life.pid);
    assert_eq!(process["process"]["answers"]["healthz"], "ok");
    assert_eq!(process["instances"], 1);
    assert!(process["process"]["descriptors"].as_u64() > Some(0));
    assert!(parts["config.json"].contains("\"mode\": \"local\""), "{}", parts["config.json"]);
    for (name, text) in &parts {
        assert!(!text.contains(&home.token), "the gateway's token is in {name}");
    }

    Inspector::open(gateway.life).unwrap().endless_loop().unwrap();
    let (said, _) = until_some("the doctor to see that it spins", SOON, || {
        let facts = person.by_facts();
        println!("spinning: {facts:?}");
        Ok(facts.into_iter().find(|(case, _)| case == "event-loop-blocked").map(|(_, said)| said))
    })
    .unwrap();
    assert!(said.contains(&format!("pid {}", gateway.life.pid)) && said.contains("/healthz"), "{said}");
    let parts = person.bundle("spinning.tar.gz");
    assert!(parts["doctor.txt"].contains("event-loop-blocked"), "{}", parts["doctor.txt"]);
    gateway.signal(rustix::process::Signal::KILL).unwrap();
}
