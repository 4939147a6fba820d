//! Letters to be delivered: an alert, its end in Chinese, a hostile one, a huge one.

use clawmend::notify::{Kind, Letter, Part};
use clawmend_core::alert::Level;
use clawmend_core::time::Wall;

pub fn letter(key: &str) -> Letter {
    let fact = |label: &str, value: &str| Part::Fact { label: label.to_owned(), value: value.to_owned() };
    Letter {
        key: key.to_owned(),
        subject_key: "inc-20261125-1".to_owned(),
        kind: Kind::Alert,
        level: Level::Critical,
        at: Wall(1_795_609_800_000),
        host: "mac-mini".to_owned(),
        title: format!("[CRITICAL] Gateway main is down ({key})"),
        parts: vec![
            fact("Since", "03:30 (12 min)"),
            fact("Last good check", "03:29:40"),
            Part::Text("Its port is held by another process: python3 (pid 4242).".to_owned()),
            Part::Heading("What was tried".to_owned()),
            Part::Item("Restarted: it stopped again within 4 s".to_owned()),
            Part::Item("Restored the last good config: no change".to_owned()),
            Part::Heading("What you can do".to_owned()),
            Part::Code(vec!["clawmend doctor main".to_owned(), "clawmend approve inc-20261125-1".to_owned()]),
        ],
        answers: None,
        choices: Vec::new(),
    }
}

pub fn chinese() -> Letter {
    let fact = |label: &str, value: &str| Part::Fact { label: label.to_owned(), value: value.to_owned() };
    Letter {
        kind: Kind::Resolved,
        level: Level::Info,
        title: "[已恢复] 网关 main 恢复正常".to_owned(),
        parts: vec![
            fact("中断时间", "03:30 至 03:42(12 分钟)"),
            Part::Text("端口 18789 曾被 python3(pid 4242)占用。".to_owned()),
            Part::Heading("处理经过".to_owned()),
            Part::Item("重启网关:4 秒后再次退出".to_owned()),
            Part::Item("端口释放后重启:成功".to_owned()),
            Part::Code(vec!["Error: listen EADDRINUSE: address already in use 127.0.0.1:18789".to_owned()]),
        ],
        ..letter("inc-20261125-1/resolved")
    }
}

/// Log lines that want to be more than text.
pub fn hostile() -> Letter {
    let evil = "<at id=all></at> <@all> @all [click](https://evil.example) **x** ![i](https://evil.example/i.png) \
                \u{1b}[31m\u{7}\u{202e}<font color=\"warning\">``` end";
    Letter {
        title: evil.to_owned(),
        host: evil.to_owned(),
        parts: vec![
            Part::Heading(evil.to_owned()),
            Part::Text(evil.to_owned()),
            Part::Fact { label: evil.to_owned(), value: evil.to_owned() },
            Part::Item(evil.to_owned()),
            Part::Code(vec![evil.to_owned(), "npm i openclaw@latest".to_owned()]),
        ],
        ..letter("hostile")
    }
}

/// A megabyte of log, quotes and wide characters included.
pub fn huge() -> Letter {
    let line = format!("{}网关\"\\", "x".repeat(1_000));
    let mut letter = letter("huge");
    letter.title = "长标题 ".repeat(1_000);
    letter.parts.push(Part::Code(vec![line; 1_000]));
    letter.parts.extend(std::iter::repeat_n(Part::Text("never shown".to_owned()), 10_000));
    letter
}
