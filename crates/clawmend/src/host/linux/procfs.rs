//! Parsing of `/proc` files.
//!
//! Invariant: a program's name may hold spaces, brackets and line breaks, and is never taken for a field.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// The fields of `/proc/PID/stat` that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Field 3, of the main thread.
    pub state: u8,
    /// Field 4.
    pub ppid: u32,
    /// Field 5.
    pub pgrp: u32,
    /// Fields 14 and 15, of all threads, in clock ticks.
    pub cpu_ticks: u64,
    /// Field 20.
    pub threads: u32,
    /// Field 22, in clock ticks since boot.
    pub start: u64,
    /// Field 24.
    pub rss_pages: u64,
}

/// The program's name ends at the last closing bracket; what follows is numbers.
pub fn parse_stat(text: &[u8]) -> Option<Stat> {
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
    // Field n of the manual page (proc_pid_stat(5), counted from 1) is word n - 3 here.
    let mut words = rest.split_ascii_whitespace();
    let state = *words.next()?.as_bytes().first()?;
    let ppid = words.next()?.parse().ok()?;
    // -1 and 0 stand for "no group" in foreign pid namespaces.
    let pgrp = words.next()?.parse::<i64>().ok().and_then(|group| u32::try_from(group).ok()).unwrap_or(0);
    let mut words = words.skip(8);
    let user: u64 = words.next()?.parse().ok()?;
    let system: u64 = words.next()?.parse().ok()?;
    let mut words = words.skip(4);
    let threads = words.next()?.parse().ok()?;
    let mut words = words.skip(1);
    let start = words.next()?.parse().ok()?;
    let mut words = words.skip(1);
    let rss_pages = words.next()?.parse::<i64>().ok().and_then(|pages| u64::try_from(pages).ok()).unwrap_or(0);
    Some(Stat { state, ppid, pgrp, cpu_ticks: user.saturating_add(system), threads, start, rss_pages })
}

/// The lines of `/proc/PID/status` that we use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// 0: nobody.
    pub tracer: u32,
    /// Of the main thread.
    pub voluntary: u64,
    /// Of the main thread.
    pub involuntary: u64,
}

/// Lines that are missing count as zero. `Name:` comes first and is escaped by the kernel, so a name cannot pose as
/// a line.
pub fn parse_status(text: &[u8]) -> Status {
    let mut status = Status::default();
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(value) = line.strip_prefix(b"TracerPid:") {
            status.tracer = number(value).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        } else if let Some(value) = line.strip_prefix(b"voluntary_ctxt_switches:") {
            status.voluntary = number(value).unwrap_or(0);
        } else if let Some(value) = line.strip_prefix(b"nonvoluntary_ctxt_switches:") {
            status.involuntary = number(value).unwrap_or(0);
        }
    }
    status
}

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// Reads a small kernel file from its beginning. More than `buffer` is cut off.
pub fn read_at_start<'a>(file: &File, buffer: &'a mut [u8]) -> std::io::Result<&'a [u8]> {
    let mut filled = 0;
    while filled < buffer.len() {
        let length = file.read_at(&mut buffer[filled..], filled as u64)?;
        if length == 0 {
            break;
        }
        filled += length;
        // These files come in one piece: anything short of a full buffer is the end, and asking again costs a call.
        if filled < buffer.len() {
            break;
        }
    }
    Ok(&buffer[..filled])
}

/// `/proc/PID/stat` of a process.
pub fn stat_of(pid: u32) -> Option<Stat> {
    let file = File::open(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(read_at_start(&file, &mut [0; 1024]).ok()?)
}

/// Every pid that we can see, with its stat. Costs about 15 µs per process: not for a standing look.
pub fn all_stats() -> impl Iterator<Item = (u32, Stat)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, stat_of(pid)?))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TAIL: &str = "S 7 42 42 0 -1 4194560 1 2 3 4 100 50 0 0 20 0 11 0 987654 123456 2048 18446744073709551615";

    #[test]
    fn a_hostile_name_is_never_a_field() {
        for name in ["node", "a b", ") R 1 2 3 (", "x) S 9 9 9", "new\nline"] {
            let stat = parse_stat(format!("123 ({name}) {TAIL}").as_bytes()).unwrap();
            assert_eq!((stat.state, stat.ppid, stat.pgrp), (b'S', 7, 42), "{name:?}");
            assert_eq!((stat.cpu_ticks, stat.threads, stat.start, stat.rss_pages), (150, 11, 987_654, 2048));
        }
    }

    #[test]
    fn a_cut_or_empty_line_is_not_a_process() {
        assert_eq!(parse_stat(b""), None);
        assert_eq!(parse_stat(b"123 (node"), None);
        assert_eq!(parse_stat(b"123 (node) S 7 42"), None);
    }

    #[test]
    fn status_lines_are_read_by_name() {
        let text = b"Name:\tTracerPid: 9\nTracerPid:\t17\nThreads:\t3\n\
            voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n";
        assert_eq!(parse_status(text), Status { tracer: 17, voluntary: 5, involuntary: 6 });
    }
}
