//! Senders that a person approved.

use super::*;

/// What `openclaw pairing approve telegram CODE` of OpenClaw 2026.9.6 left in `state/openclaw.sqlite` (journal mode WAL,
/// `user_version` 18): this table, with the first of these rows.
fn database(lab: &Lab, rows: &[(&str, &str, &str, i64)]) -> rusqlite::Connection {
    let path = lab.home.state_dir.join("state/openclaw.sqlite");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE channel_pairing_allow_entries (
               channel_key TEXT NOT NULL,
               account_id TEXT NOT NULL,
               entry TEXT NOT NULL,
               sort_order INTEGER NOT NULL,
               updated_at INTEGER NOT NULL,
               PRIMARY KEY (channel_key, account_id, entry)
             ) STRICT;",
        )
        .unwrap();
    for (channel, account, entry, order) in rows {
        let insert = "INSERT INTO channel_pairing_allow_entries VALUES (?1, ?2, ?3, ?4, 1795610097389)";
        connection.execute(insert, rusqlite::params![channel, account, entry, order]).unwrap();
    }
    connection
}

const APPROVED: [(&str, &str, &str, i64); 5] = [
    ("discord", "default", "123456789012345678", 0),
    ("telegram", "default", "4242424242", 0),
    ("telegram", "default", "1", 1),
    ("telegram", "work", "77", 0),
    ("feishu", "default", "ou_9", 0),
];

fn names(lab: &Lab) -> Vec<String> {
    let entries = std::fs::read_dir(lab.home.state_dir.join("state")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn approved_senders_are_owners_where_nothing_else_names_one() {
    let lab = lab();
    let config = |policy: &str| {
        json!({"channels": {"telegram": {"botToken": "1:x", "dmPolicy": policy,
                                         "accounts": {"work": {"botToken": "2:x"}, "default": {}}}}})
    };
    let open = database(&lab, &APPROVED);
    // Once while the gateway has it open, once when it is gone.
    for open in [Some(open), None] {
        let found = lab.search(&config("pairing"));
        assert_eq!(people(&found[0]), one("4242424242", "openclaw pairing"));
        assert_eq!(people(&found[1]), one("77", "openclaw pairing"));
        let others = lab.search(&config("allowlist"));
        assert!(others.iter().all(|found| code(found) == "no_owner"), "OpenClaw does not let them in either");
        let discord = |policy: &str| json!({"channels": {"discord": {"token": "x", "dm": {"policy": policy}}}});
        assert_eq!(people(&lab.search(&discord("pairing"))[0]), one("123456789012345678", "openclaw pairing"));
        assert_eq!(code(&lab.search(&discord("allowlist"))[0]), "no_owner", "by the older key");
        drop(open);
        assert!(lab.home.state_dir.join("state/openclaw.sqlite").exists());
    }
    assert_eq!(names(&lab), ["openclaw.sqlite"], "reading left something beside it");
}

#[test]
fn an_unreadable_database_is_said_only_where_it_matters() {
    let lab = lab();
    let path = lab.home.state_dir.join("state/openclaw.sqlite");
    let config = |allow: Value| json!({"channels": {"telegram": {"botToken": "1:x", "allowFrom": allow}}});
    std::fs::create_dir_all(&path).unwrap();
    assert_eq!(code(&lab.search(&config(json!([])))[0]), "pairing_unreadable");
    assert_eq!(code(&lab.search(&config(json!([8])))[0]), "usable");
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, "no database at all, but long enough to be looked at ".repeat(100)).unwrap();
    let found = lab.search(&config(json!([])));
    assert_eq!(code(&found[0]), "pairing_unreadable");
    let reason = found[0].reason().unwrap();
    insta::assert_snapshot!(format!("{reason}\n{}", reason.zh()));
    std::fs::remove_file(&path).unwrap();
    // A view may be a question without end, so it is not asked.
    let connection = rusqlite::Connection::open(&path).unwrap();
    let view = "CREATE VIEW channel_pairing_allow_entries AS WITH RECURSIVE n(x) AS \
                (SELECT 1 UNION ALL SELECT x FROM n) SELECT x AS channel_key, x AS account_id, x AS entry, x AS sort_order FROM n";
    connection.execute_batch(view).unwrap();
    assert_eq!(code(&lab.search(&config(json!([])))[0]), "no_owner");
}

#[test]
fn files_of_an_older_openclaw_count_where_there_is_no_table() {
    let lab = lab();
    let config = json!({"channels": {"telegram": {"botToken": "1:x", "accounts": {"work": {"botToken": "2:x"}}}}});
    let folder = lab.home.state_dir.join("credentials");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("telegram-allowFrom.json"), "{\"version\": 1, \"allowFrom\": [\"4242\"]}").unwrap();
    std::fs::write(folder.join("telegram-work-allowFrom.json"), "{").unwrap();
    let found = lab.search(&config);
    assert_eq!(people(&found[0]), one("4242", "credentials/telegram-allowFrom.json"));
    assert_eq!(code(&found[1]), "pairing_unreadable");
    drop(database(&lab, &[]));
    assert_eq!(code(&lab.search(&config)[0]), "no_owner", "OpenClaw reads only the table once it is there");
}
