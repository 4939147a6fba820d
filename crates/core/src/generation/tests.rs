#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]
use super::*;
use crate::time::Wall;
use proptest::prelude::*;

fn tree(json: serde_json::Value) -> Tree {
    use serde_json::Value;
    match json {
        Value::Null => Tree::Null,
        Value::Bool(value) => Tree::Bool(value),
        Value::Number(value) => Tree::Number(value.to_string()),
        Value::String(text) => Tree::Text(text),
        Value::Array(items) => Tree::List(items.into_iter().map(tree).collect()),
        Value::Object(map) => Tree::Map(map.into_iter().map(|(key, value)| (key, tree(value))).collect()),
    }
}

fn path(text: &str) -> KeyPath {
    KeyPath::new(text.split('.'))
}

fn proven() -> Tree {
    tree(serde_json::json!({
        "meta": {"lastTouchedVersion": "2026.9.5"},
        "gateway": {"mode": "local", "port": 19789, "bind": "loopback", "auth": {"mode": "token", "token": "old-token"}},
        "channels": {"telegram": {"enabled": true, "botToken": "1:OLD", "allowFrom": ["1"]}, "slack": {"enabled": true}},
        "cron": {"enabled": true},
        "logging": {"level": "info"},
    }))
}

fn witnesses(trees: &[Tree]) -> Vec<Witness<'_>> {
    trees.iter().map(|tree| Witness { tree }).collect()
}

#[test]
fn a_lost_config_comes_back_as_it_was() {
    assert_eq!(restore(&proven(), &[]), Restore { tree: proven(), edits: vec![], held: vec![] });
    for clobbered in [serde_json::json!({}), serde_json::json!({"gateway": "x"}), serde_json::json!([])] {
        let seen = [tree(clobbered)];
        assert_eq!(restore(&proven(), &witnesses(&seen)).tree, proven(), "what is lost was not taken out by a person");
    }
}

#[test]
fn roles_security_and_credentials_stay_as_they_are_now() {
    let present = tree(serde_json::json!({
        "meta": {"lastTouchedVersion": "2026.9.6"},
        "gateway": {"mode": "local", "port": "wrong", "bind": "loopback", "auth": {"mode": "password", "password": "new"}},
        "channels": {"telegram": {"enabled": false, "botToken": "2:NEW", "allowFrom": []}},
        "cron": {"enabled": false},
        "tools": {"exec": {"security": "deny"}},
        "logging": {"level": "debug"},
    }));
    let seen = [present];
    let plan = restore(&proven(), &witnesses(&seen));
    assert_eq!(
        plan.tree,
        tree(serde_json::json!({
            "meta": {"lastTouchedVersion": "2026.9.6"},
            "gateway": {"mode": "local", "port": 19789, "bind": "loopback", "auth": {"mode": "password", "password": "new"}},
            "channels": {"telegram": {"enabled": false, "botToken": "2:NEW", "allowFrom": []}},
            "cron": {"enabled": false},
            "tools": {"exec": {"security": "deny"}},
            "logging": {"level": "info"},
        }))
    );
    assert!(plan.held.contains(&Held { path: path("channels.slack"), why: Guarded::Role }));
    assert!(plan.held.contains(&Held { path: path("gateway.auth.token"), why: Guarded::Credential }));
    assert!(plan.held.contains(&Held { path: path("meta"), why: Guarded::Meta }));
}

#[test]
fn what_is_mistyped_is_taken_from_the_newest_sound_one() {
    let broken =
        tree(serde_json::json!({"gateway": {"mode": "local", "bind": "lna", "auth": 7}, "channels": "x", "cron": {}}));
    let before = tree(serde_json::json!({
        "gateway": {"mode": "local", "bind": "tailnet", "auth": {"mode": "token", "token": "mid"}},
        "channels": {"telegram": {"enabled": false, "botToken": "1:OLD", "allowFrom": ["1"]}}, "cron": {}
    }));
    let seen = [broken, before];
    let plan = restore(&proven(), &witnesses(&seen)).tree;
    assert_eq!(plan.get(&path("gateway.bind")), Some(&Tree::Text("tailnet".into())));
    assert_eq!(plan.get(&path("gateway.auth.token")), Some(&Tree::Text("mid".into())));
    assert_eq!(plan.get(&path("channels.telegram.enabled")), Some(&Tree::Bool(false)));
    assert_eq!(plan.get(&path("channels.slack")), None);
}

#[test]
fn entries_that_the_generation_does_not_have_are_not_made_up() {
    let present = tree(serde_json::json!({
        "gateway": {"mode": "local"},
        "channels": {"telegram": {"enabled": true}, "slack": {"enabled": true}, "discord": {"enabled": true, "token": "t"}},
        "plugins": {"entries": {"browser": {"enabled": false}}},
    }));
    let seen = [present];
    let plan = restore(&proven(), &witnesses(&seen)).tree;
    assert_eq!(plan.get(&path("channels.discord")), None);
    assert_eq!(plan.get(&path("plugins.entries.browser.enabled")), Some(&Tree::Bool(false)));
}

#[test]
fn a_difference_shows_keys_and_no_secret() {
    let new = tree(serde_json::json!({
        "gateway": {"mode": "local", "port": 1, "bind": "loopback", "auth": {"mode": "token", "token": "${OC_TOKEN}"}},
        "channels": {"telegram": {"enabled": true, "botToken": "1:NEW", "allowFrom": ["1"], "apiRoot": "http://u:pw@h/"}},
        "models": {"providers": {"my.host": {"apiKey": "sk-verysecret"}}},
    }));
    let (found, more) = differences(&proven(), &new);
    let text: Vec<String> =
        found.iter().map(|one| format!("{} {:?} {:?} {:?}", one.path, one.change, one.old, one.new)).collect();
    let text = text.join("\n");
    assert_eq!(more, 0);
    for secret in ["old-token", "OLD", "NEW", "verysecret", "pw@"] {
        assert!(!text.contains(secret), "{secret} shows in\n{text}");
    }
    assert!(text.contains("gateway.port Changed Some(\"19789\") Some(\"1\")"), "{text}");
    assert!(text.contains("${OC_TOKEN}"), "{text}");
    assert!(text.contains("models Added None Some(\"{providers}\")"), "{text}");
    assert_eq!(KeyPath::new(["models", "my.host", "x"]).to_string(), "models[\"my.host\"].x");
    assert!(!format!("{new:?}").contains("verysecret"));
}

#[test]
fn bisect_names_just_the_keys_that_break_it() {
    let good = tree(serde_json::json!({"gateway": {"mode": "local", "port": 1}, "a": 1, "b": 2, "c": 3, "d": 4}));
    let bad =
        tree(serde_json::json!({"gateway": {"mode": "local", "port": "x", "prot": 1}, "a": 9, "b": 9, "c": 9, "e": 9}));
    let passes = |tree: &Tree| {
        matches!(tree.get(&path("gateway.port")), Some(Tree::Number(_))) && tree.get(&path("gateway.prot")).is_none()
    };
    let found = bisect(&bad, &good, passes).unwrap();
    assert_eq!(found.keys, [path("gateway.port"), path("gateway.prot")]);
    assert!(found.minimal && passes(&found.tree));
    assert_eq!(found.tree.get(&path("e")), bad.get(&path("e")), "the rest is kept");
    assert_eq!(bisect(&good, &bad, passes), None, "nothing is wrong with it");
    assert_eq!(bisect(&bad, &good, |_| false), None, "even the good one fails");
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let names = prop_oneof![
        Just("gateway"),
        Just("auth"),
        Just("mode"),
        Just("bind"),
        Just("token"),
        Just("channels"),
        Just("telegram"),
        Just("enabled"),
        Just("accounts"),
        Just("allowFrom"),
        Just("cron"),
        Just("meta"),
        Just("approvals"),
        Just("x"),
        Just("botToken"),
        Just("tools"),
        Just("exec"),
        Just("plugins"),
        Just("entries"),
    ]
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        (0..9u8).prop_map(|n| Tree::Number(n.to_string())),
        prop_oneof![Just("local"), Just("lan"), Just("loopback"), Just("token"), Just("s3cret")]
            .prop_map(|t| Tree::Text(t.into())),
    ];
    let deep = leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Tree::List),
            6 => prop::collection::btree_map(names.clone(), inner, 0..5).prop_map(Tree::Map),
        ]
    });
    deep.prop_map(|tree| match tree {
        Tree::Map(mut map) => {
            // Most configs are whole; those of interest here are.
            if let Some(Tree::Map(gateway)) = map.get_mut("gateway") {
                gateway.insert("mode".into(), Tree::Text("local".into()));
            } else {
                map.insert("gateway".into(), tree_mode());
            }
            Tree::Map(map)
        }
        other => other,
    })
}

fn tree_mode() -> Tree {
    tree(serde_json::json!({"mode": "local"}))
}

fn every_path(tree: &Tree, at: &KeyPath, out: &mut Vec<KeyPath>) {
    if let Some(map) = tree.as_map() {
        for (key, value) in map {
            let path = at.child(key);
            out.push(path.clone());
            every_path(value, &path, out);
        }
    }
}

proptest! {
    /// Of invariant 6: whatever the present config says soundly about a guarded key is what it says afterwards.
    #[test]
    fn a_restore_changes_no_guarded_key(proven in any_tree(), present in any_tree()) {
        let plan = restore(&proven, &[Witness { tree: &present }]);
        let mut paths = Vec::new();
        every_path(&plan.tree, &KeyPath::default(), &mut paths);
        for path in paths.iter().filter(|path| guarded(path).is_some()) {
            let now = present.get(path);
            let after = plan.tree.get(path);
            let mistyped = now.is_some() || !matches!(present, Tree::Map(_)) || path_is_blocked(&present, path);
            prop_assert!(after == now || mistyped, "{path} became {after:?}, was {now:?}");
        }
        let enabled = |tree: &Tree| tree.get(&KeyPath::new(["channels", "telegram", "enabled"])) == Some(&Tree::Bool(true));
        if matches!(present.get(&KeyPath::new(["channels", "telegram", "enabled"])), Some(Tree::Bool(false))) {
            prop_assert!(!enabled(&plan.tree));
        }
    }

    #[test]
    fn the_edits_lead_to_the_tree(proven in any_tree(), present in any_tree()) {
        let plan = restore(&proven, &[Witness { tree: &present }]);
        let again = restore(&plan.tree, &[Witness { tree: &present }]);
        prop_assert_eq!(&again.tree, &plan.tree, "a restore is settled after once");
        let (whole, _) = revert(&present, &plan.tree, &super::restore::candidates(&present, &plan.tree));
        prop_assert_eq!(whole, plan.tree);
    }

    #[test]
    fn nothing_is_dropped_that_is_needed(
        all in prop::collection::vec((0..1_000i64, prop::option::of(0..1_000i64), any::<bool>()), 0..60),
        unproven in 0..5usize, proven in 0..5usize,
    ) {
        let all: Vec<Kept> = all.into_iter().enumerate().map(|(id, (seen, proven, needed))| Kept {
            id: id.to_string(), last_seen: Wall(seen), proven: proven.map(Wall), needed,
        }).collect();
        let keeping = Keeping { unproven, proven, unproven_age_ms: 500, proven_age_ms: 800 };
        let doomed = drop_list(&all, Wall(1_000), &keeping);
        let newest = all.iter().filter_map(|one| one.proven).max();
        let left: Vec<&Kept> = all.iter().filter(|one| !doomed.contains(&one.id)).collect();
        prop_assert!(newest.is_none_or(|at| left.iter().any(|one| one.proven == Some(at))));
        prop_assert!(all.iter().filter(|one| one.needed).all(|one| !doomed.contains(&one.id)));
        let plain = left.iter().filter(|one| one.proven.is_none() && !one.needed).count();
        prop_assert!(plain <= unproven);
    }
}

/// Something on the way to the path is there and is no object.
fn path_is_blocked(tree: &Tree, path: &KeyPath) -> bool {
    let keys = path.segments();
    (1..keys.len()).any(|n| tree.get(&KeyPath::new(keys[..n].to_vec())).is_some_and(|tree| tree.as_map().is_none()))
}
