//! Opens what Feishu has encrypted, and checks what it has signed.
//!
//! From the documentation, as of 2026-11:
//! <https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/event-subscription-guide/callback-subscription/receive-and-handle-callbacks>:
//! the body is `{"encrypt": base64(iv + AES-256-CBC(…))}` with PKCS#7 padding, the key is the SHA-256 of the Encrypt Key, the
//! first 16 bytes are the IV; the header `X-Lark-Signature` is the hex SHA-256 of timestamp, nonce, Encrypt Key and body, one
//! behind the other.
//!
//! Invariant: why something cannot be opened is told to nobody outside, so that no answer says anything about a padding.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use ring::digest::{self, SHA256};

/// Bytes of a block, and of the IV.
const BLOCK: usize = 16;

/// The text in `encrypt`; `None`: it was not made with this key.
#[must_use]
pub fn open(encrypted: &str, encrypt_key: &str) -> Option<Vec<u8>> {
    let mut bytes = STANDARD.decode(encrypted).ok()?;
    let (iv, text) = bytes.split_at_mut_checked(BLOCK)?;
    let key = digest::digest(&SHA256, encrypt_key.as_bytes());
    let decryptor = Decryptor::<Aes256>::new_from_slices(key.as_ref(), iv).ok()?;
    decryptor.decrypt_padded::<Pkcs7>(text).ok().map(<[u8]>::to_vec)
}

/// Whether this is the signature of a request.
#[must_use]
pub fn is_signed(signature: &str, timestamp: &str, nonce: &str, encrypt_key: &str, body: &[u8]) -> bool {
    let mut whole = digest::Context::new(&SHA256);
    for part in [timestamp.as_bytes(), nonce.as_bytes(), encrypt_key.as_bytes(), body] {
        whole.update(part);
    }
    let hex: String = whole.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    is_same(hex.as_bytes(), signature.to_ascii_lowercase().as_bytes())
}

/// Compares all of it, whatever the first bytes say.
#[must_use]
pub fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documentation: key `test key`, text `hello world`.
    #[test]
    fn the_documented_example_is_opened() {
        let text = open("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", "test key");
        assert_eq!(text.as_deref(), Some(b"hello world".as_slice()));
    }

    #[test]
    fn nonsense_and_another_key_open_nothing() {
        for encrypted in ["", "AAAA", "====", "网", "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk", &"A".repeat(65)] {
            assert_eq!(open(encrypted, "test key"), None, "{encrypted}");
        }
        let whole = "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=";
        assert_ne!(open(whole, "another key").as_deref(), Some(b"hello world".as_slice()));
    }

    #[test]
    fn a_signature_covers_every_part() {
        let hex = "2f5b6e2a"; // Too short to be one.
        assert!(!is_signed(hex, "1", "2", "key", b"body"));
        let signature = |parts: [&str; 4]| {
            let whole = parts.concat();
            let digest = digest::digest(&SHA256, whole.as_bytes());
            digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let right = signature(["17", "n", "key", "body"]);
        assert!(is_signed(&right, "17", "n", "key", b"body"));
        assert!(is_signed(&right.to_uppercase(), "17", "n", "key", b"body"));
        assert!(!is_signed(&right, "18", "n", "key", b"body"));
        assert!(!is_signed(&right, "17", "m", "key", b"body"));
        assert!(!is_signed(&right, "17", "n", "other", b"body"));
        assert!(!is_signed(&right, "17", "n", "key", b"bodY"));
    }
}
