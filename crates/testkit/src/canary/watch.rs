//! The canaries of this process, and the leaks that were seen while it ran.

use super::{Canary, Scanner, file};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Leaks kept; one is enough to fail.
const KEPT: usize = 20;

struct Watch {
    canaries: Vec<Canary>,
    leaks: Vec<String>,
    /// Of each service: for how many canaries it was made, and what must not reach it.
    scanners: BTreeMap<&'static str, (usize, Arc<Scanner>)>,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch { canaries: Vec::new(), leaks: Vec::new(), scanners: BTreeMap::new() });

fn lock() -> MutexGuard<'static, Watch> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a secret known; its text comes back. Known ones are left as they are.
pub fn register(canary: Canary) -> String {
    let mut watch = lock();
    let text = canary.text.clone();
    if !watch.canaries.iter().any(|known| known.text == text) {
        file::add(&canary);
        watch.canaries.push(canary);
    }
    text
}

/// All that are known.
#[must_use]
pub fn all() -> Vec<Canary> {
    lock().canaries.clone()
}

/// A stand-in got this request: every canary in it but the service's own is a leak.
pub fn received(service: &'static str, request: &[u8]) {
    let scanner = {
        let mut watch = lock();
        let count = watch.canaries.len();
        match watch.scanners.get(service) {
            Some((made_for, scanner)) if *made_for == count => Arc::clone(scanner),
            Some(_) | None => {
                let strange = watch.canaries.iter().filter(|canary| canary.service != Some(service));
                let scanner = Arc::new(Scanner::of(strange));
                watch.scanners.insert(service, (count, Arc::clone(&scanner)));
                scanner
            }
        }
    };
    for hit in scanner.hits(request) {
        leak(format!("a request to {service} has {hit}"));
    }
}

/// Keeps a leak for whoever asks at the end.
pub fn leak(what: String) {
    let mut watch = lock();
    if watch.leaks.len() < KEPT {
        watch.leaks.push(what);
    }
}

/// Fails the test when there was a leak; one that fails already is left alone, and the leak stays for the next to ask.
///
/// # Panics
/// When there was one.
pub fn fail_on_leak() {
    if !std::thread::panicking() {
        let leaks = leaks();
        assert!(leaks.is_empty(), "secrets got out:\n{}", leaks.join("\n"));
    }
}

/// The leaks so far; they are forgotten.
#[must_use]
pub fn leaks() -> Vec<String> {
    std::mem::take(&mut lock().leaks)
}
