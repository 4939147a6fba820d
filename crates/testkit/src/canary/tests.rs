#![allow(clippy::unwrap_used)]
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn scanner(canary: &Canary) -> Scanner {
    Scanner::of([canary])
}

#[test]
fn a_secret_is_found_in_every_form_and_its_name_is_told() {
    let secret = bot_token(100_000_001);
    let canary = Canary::random("a bot's token", None, &secret);
    let scanner = scanner(&canary);
    let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
    let escaped: String = secret.chars().map(|c| if c == ':' { "\\:".to_owned() } else { c.to_string() }).collect();
    let broken = format!("{}\n{}", &secret[..30], &secret[30..]);
    let forms = [
        secret.clone().into_bytes(),
        secret.to_uppercase().into_bytes(),
        secret.replace(':', "%3A").into_bytes(),
        escaped.into_bytes(),
        hex.into_bytes(),
        wide,
        broken.into_bytes(),
        secret.as_bytes()[..secret.len() - 5].to_vec(),
        STANDARD.encode(&secret).into_bytes(),
        STANDARD.encode(format!("x{secret}")).into_bytes(),
        STANDARD.encode(format!("user:{secret}, and more")).into_bytes(),
    ];
    for (number, form) in forms.iter().enumerate() {
        let text = [b"before ", form.as_slice(), b" after"].concat();
        let hits = scanner.hits(&text);
        assert_eq!(hits.len(), 1, "form {number}");
        assert_eq!(hits[0].what, "a bot's token");
        assert!(!format!("{hits:?} {} {canary:?}", hits[0]).contains(&secret[12..28]), "form {number}");
    }
    assert!(scanner.hits(&secret.as_bytes()[..14]).is_empty(), "a beginning tells nothing");
    assert!(scanner.hits(bot_token(100_000_001).as_bytes()).is_empty(), "another token of the same bot");
}

#[test]
fn what_json_and_html_escape_is_found_escaped() {
    let secret = "pass\"word<&>with\\marks-0123456789";
    let scanner = scanner(&Canary::random("a password", None, secret));
    let once = serde_json::json!({"text": secret}).to_string();
    let twice = serde_json::json!({"content": once}).to_string();
    for text in [once, twice, "pass&quot;word&lt;&amp;&gt;with\\marks-0123456789".to_owned()] {
        assert_eq!(scanner.hits(text.as_bytes()).len(), 1, "{text}");
    }
}

#[test]
fn of_words_that_a_person_wrote_only_the_whole_counts() {
    let one = Canary::written("one", None, "canary-0123456789-of-two-that-begin-alike-A");
    let other = Canary::written("other", None, "canary-0123456789-of-two-that-begin-alike-B");
    let hits = Scanner::of([&one, &other]).hits(other.text.as_bytes());
    assert_eq!(hits, [Hit { offset: 0, what: "other".to_owned() }]);
}

#[test]
fn a_folder_is_looked_through_but_for_what_may_have_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let secret = model_key();
    let scanner = scanner(&Canary::random("a model's key", None, &secret));
    let write = |name: &str, bytes: &[u8], mode: u32| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let _ = mode;
    };
    write("letters/1.json", b"nothing", 0o644);
    write("default/generations/objects/ab", secret.as_bytes(), 0o600);
    write("logs/default/gateway.log.1", secret.as_bytes(), 0o600);
    assert_eq!(folder::leaks(folder.path(), &scanner), Vec::<String>::new());

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, format!("{}{secret}", " \n".repeat(9_000)).as_bytes()).unwrap();
    write("clawmend.db-wal", format!("page {secret} page").as_bytes(), 0o600);
    write("bundle.tar.gz", &packed.finish().unwrap(), 0o600);
    write("gateway.log", secret.as_bytes(), 0o600);
    let found = folder::leaks(folder.path(), &scanner);
    assert_eq!(found.len(), 3, "{found:?}");
    for part in ["clawmend.db-wal has a model's key at byte 5", "bundle.tar.gz, unpacked, has", "/gateway.log has"] {
        assert!(found.iter().any(|leak| leak.contains(part)), "{part}: {found:?}");
    }
    assert!(!format!("{found:?}").contains(&secret[10..30]));
    #[cfg(unix)]
    {
        write("default/generations/record", b"any", 0o640);
        let found = folder::leaks(folder.path(), &scanner);
        assert!(found.iter().any(|leak| leak.contains("its mode is 640")), "{found:?}");
    }
}
