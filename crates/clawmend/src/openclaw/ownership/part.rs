//! The part of a value that names an account.
//!
//! Invariant: two spellings of the same account give the same part; what has not the expected form gives none.

use super::table::Part;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Letters of the data of an `nsec` (BIP-173, NIP-19): 32 bytes in groups of five bits, then six letters of checksum.
const NSEC_DATA: usize = 52;
const NSEC_SUM: usize = 6;
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// What of `value` counts; none where it has not the form that it should have.
pub(super) fn part_of(part: Part, value: &SecretString) -> Option<SecretString> {
    let text = value.expose_secret().trim();
    let found = match part {
        Part::Whole | Part::IrcNick => text.to_owned(),
        Part::Name => text.trim_start_matches(['~', '@']).to_lowercase(),
        Part::Phone => text.chars().filter(char::is_ascii_digit).collect(),
        Part::BeforeColon => number(text.split_once(':')?.0)?,
        Part::BeforeDot => bare_token(text).split_once('.')?.0.to_owned(),
        Part::SlackApp => slack_app(text).unwrap_or(text).to_owned(),
        Part::ServiceAccount => email(&serde_json::from_str(text).ok()?)?,
        Part::NostrKey => nostr_key(text)?,
    };
    (!found.is_empty()).then(|| SecretString::from(found))
}

/// The account's address in the key file of a service account.
pub(super) fn email(file: &Value) -> Option<String> {
    file.get("client_email").and_then(Value::as_str).map(|email| email.trim().to_lowercase())
}

/// The number of a WhatsApp login: `me.id` of `creds.json` is `NUMBER:DEVICE@s.whatsapp.net`.
pub(super) fn whatsapp_number(creds: &str) -> Option<SecretString> {
    let creds: Value = serde_json::from_str(creds).ok()?;
    let id = creds.pointer("/me/id").and_then(Value::as_str)?;
    number(id.split([':', '@']).next()?).map(SecretString::from)
}

fn number(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.to_owned())
}

fn bare_token(text: &str) -> &str {
    match text.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("bot ") => text.get(4..).unwrap_or_default().trim(),
        Some(_) | None => text,
    }
}

fn slack_app(text: &str) -> Option<&str> {
    let app = text.strip_prefix("xapp-")?.split('-').nth(1)?;
    app.starts_with('A').then_some(app)
}

/// In small hexadecimal letters.
fn nostr_key(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let Some(data) = text.strip_prefix("nsec1") else {
        return (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text);
    };
    if data.len() != NSEC_DATA + NSEC_SUM {
        return None;
    }
    let (mut bits, mut held, mut hex) = (0_u32, 0_u32, String::with_capacity(64));
    for letter in data.bytes().take(NSEC_DATA) {
        let five = u32::try_from(BECH32.iter().position(|known| *known == letter)?).ok()?;
        (bits, held) = ((bits << 5) | five, held + 5);
        while held >= 4 && hex.len() < 64 {
            held -= 4;
            hex.push(char::from_digit((bits >> held) & 15, 16)?);
            bits &= (1 << held) - 1;
        }
    }
    Some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(part: Part, text: &str) -> Option<String> {
        part_of(part, &SecretString::from(text)).map(|found| found.expose_secret().to_owned())
    }

    #[test]
    fn a_part_is_the_same_for_each_spelling() {
        for (part, spellings, wanted) in [
            (Part::BeforeColon, &["123:old", " 123:new "][..], "123"),
            (Part::BeforeDot, &["Bot MTIz.a.b", "MTIz.c.d", "bot MTIz.e.f"], "MTIz"),
            (Part::SlackApp, &["xapp-1-A0AB-77-ff", "xapp-1-A0AB-78-ee"], "A0AB"),
            (Part::SlackApp, &["xapp-odd"], "xapp-odd"),
            (Part::Phone, &["+49 170 12-34", "491701234"], "491701234"),
            (Part::Name, &["~Sampel-Palnet", "sampel-palnet"], "sampel-palnet"),
            (Part::ServiceAccount, &[r#"{"client_email":"Bot@X.iam"}"#], "bot@x.iam"),
            // The example of NIP-19.
            (
                Part::NostrKey,
                &[
                    "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
                    "67DEA2ED018072D675F5415ECFAED7D2597555E202D85B3D65EA4E58D2D92FFA",
                ],
                "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa",
            ),
        ] {
            for spelling in spellings {
                assert_eq!(of(part, spelling).as_deref(), Some(wanted), "{spelling}");
            }
        }
    }

    #[test]
    fn what_has_another_form_has_no_part() {
        for (part, text) in [
            (Part::BeforeColon, "no-colon"),
            (Part::BeforeColon, ":secret"),
            (Part::BeforeColon, "abc:secret"),
            (Part::BeforeDot, "no-dot"),
            (Part::BeforeDot, ".x"),
            (Part::Phone, "none"),
            (Part::ServiceAccount, "{}"),
            (Part::ServiceAccount, "/a/path"),
            (Part::NostrKey, "nsec1short"),
            (Part::NostrKey, "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfb5b"),
            (Part::NostrKey, "hello"),
            (Part::Whole, "  "),
        ] {
            assert_eq!(of(part, text), None, "{text}");
        }
    }

    #[test]
    fn a_whatsapp_login_names_its_number() {
        let number = |text: &str| whatsapp_number(text).map(|number| number.expose_secret().to_owned());
        assert_eq!(number(r#"{"me":{"id":"491701234:12@s.whatsapp.net"}}"#).as_deref(), Some("491701234"));
        assert_eq!(number(r#"{"me":{"id":"491701234@s.whatsapp.net"}}"#).as_deref(), Some("491701234"));
        assert_eq!(number(r#"{"registered":false}"#), None);
        assert_eq!(number("garbage"), None);
    }
}
