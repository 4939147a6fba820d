//! The forms in which a secret may get out: as it is, and as JSON, an address, HTML, base64, hex or UTF-16 write it.
//!
//! A long secret is looked for in parts, too: one that was cut once, or broken over two lines, has a whole half left;
//! and where a channel escapes punctuation, its longest run of letters and digits is left.

use super::Canary;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A part that is shorter would be found by chance.
const SHORTEST_PART: usize = 16;

/// All that a scanner looks for, without repeats; the case of letters does not count.
pub(super) fn of(canary: &Canary) -> Vec<Vec<u8>> {
    let parts = if canary.random { parts(&canary.text) } else { vec![canary.text.as_str()] };
    let mut all: Vec<Vec<u8>> = parts.into_iter().flat_map(written).collect();
    all.iter_mut().for_each(|form| form.make_ascii_lowercase());
    all.sort();
    all.dedup();
    all
}

/// The whole, its halves, and its longest run.
fn parts(secret: &str) -> Vec<&str> {
    let mut parts = vec![secret];
    if let Some((one, other)) = secret.split_at_checked(secret.len() / 2)
        && one.len() >= SHORTEST_PART
    {
        parts.extend([one, other]);
    }
    let run = secret.split(|letter: char| !letter.is_ascii_alphanumeric()).max_by_key(|run| run.len());
    parts.extend(run.filter(|run| run.len() >= SHORTEST_PART));
    parts
}

fn written(part: &str) -> Vec<Vec<u8>> {
    let json = serde_json::Value::from(part).to_string();
    let json = json.trim_matches('"');
    let again = serde_json::Value::from(json).to_string();
    let html = part.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let hex: String = part.bytes().map(|byte| format!("{byte:02x}")).collect();
    let texts = [part.to_owned(), json.to_owned(), again.trim_matches('"').to_owned(), html, percent(part), hex];
    let little = part.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = part.encode_utf16().flat_map(u16::to_be_bytes).collect();
    texts.into_iter().map(String::into_bytes).chain([little, big]).chain(base64(part.as_bytes())).collect()
}

/// Everything but what RFC 3986 leaves unreserved.
fn percent(part: &str) -> String {
    let letter = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if plain { char::from(byte).to_string() } else { format!("%{byte:02x}") }
    };
    part.bytes().map(letter).collect()
}

/// Within a longer text it begins at one of three places in a group of three bytes; what depends on its neighbours
/// is left out.
fn base64(part: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..3).flat_map(|before| {
        let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(part.iter().copied()).collect();
        let (first, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)]
            .map(|text| text.as_bytes().get(first..end).unwrap_or_default().to_vec())
    })
}
