//! The key, and what is done with it.

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{aead, hmac};

use super::SecretsError;
use crate::rules::secret::{Purpose, Sealed, Secret};

const KEY_BYTES: usize = 32;

/// The first byte of what is sealed: how it was done.
const FORM: u8 = 1;

/// The key of all secrets, of which one is made for sealing and another to be told by.
pub(super) struct Key {
    bytes: [u8; KEY_BYTES],
    sealing: aead::LessSafeKey,
}

impl Key {
    pub(super) fn random() -> Result<Self, SecretsError> {
        Self::of(random()?).ok_or(SecretsError::NoRandomness)
    }

    /// What [`Key::text`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; KEY_BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Self::of(bytes)
    }

    fn of(bytes: [u8; KEY_BYTES]) -> Option<Self> {
        let sealing = derived(&bytes, "seal");
        let sealing = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, sealing.as_ref()).ok()?;
        Some(Self { bytes, sealing: aead::LessSafeKey::new(sealing) })
    }

    pub(super) fn text(&self) -> Secret {
        Secret::new(hex(&self.bytes))
    }

    /// Tells this key from every other, and tells nothing of it.
    pub(super) fn check(&self) -> String {
        let check = derived(&self.bytes, "check");
        hex(check.as_ref().get(..16).unwrap_or_default())
    }

    /// A nonce of twelve random bytes: with the few secrets that a machine has, none comes twice.
    pub(super) fn seal(&self, secret: &Secret, purpose: Purpose) -> Result<Sealed, SecretsError> {
        let nonce: [u8; aead::NONCE_LEN] = random()?;
        let mut text = secret.reveal().as_bytes().to_vec();
        let sealing = aead::Nonce::assume_unique_for_key(nonce);
        self.sealing
            .seal_in_place_append_tag(sealing, aad(purpose), &mut text)
            .map_err(|_| SecretsError::Damaged)?;
        Ok(Sealed::of([&[FORM][..], &nonce, &text].concat()))
    }

    pub(super) fn open(&self, sealed: &Sealed, purpose: Purpose) -> Result<Secret, SecretsError> {
        let opened = || -> Option<Secret> {
            let (form, rest) = sealed.bytes().split_first()?;
            let (nonce, text) = rest.split_at_checked(aead::NONCE_LEN)?;
            let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = text.to_vec();
            let text = self.sealing.open_in_place(nonce, aad(purpose), &mut text).ok()?;
            String::from_utf8(text.to_vec()).ok().filter(|_| *form == FORM).map(Secret::new)
        };
        opened().ok_or(SecretsError::Damaged)
    }
}

fn aad(purpose: Purpose) -> aead::Aad<String> {
    aead::Aad::from(format!("tinyforge {FORM} {}", purpose.as_str()))
}

fn derived(key: &[u8], what_for: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), format!("tinyforge {what_for}").as_bytes())
}

/// The signature of a body by HMAC-SHA256, as `X-Hub-Signature-256` says it after `sha256=`.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    hex(hmac::sign(&key, body).as_ref())
}

/// A text of 256 random bits.
pub fn random_text() -> Result<Secret, SecretsError> {
    Ok(Secret::new(hex(&random::<KEY_BYTES>()?)))
}

fn random<const N: usize>() -> Result<[u8; N], SecretsError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SecretsError::NoRandomness)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::random().unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_for_its_purpose_only() {
        let (key, secret) = (key(), Secret::new("canary ✓"));
        let sealed = key.seal(&secret, Purpose::OutgoingSecret).unwrap();
        assert!(!sealed.bytes().windows(6).any(|w| w == b"canary"));
        assert_eq!(key.open(&sealed, Purpose::OutgoingSecret), Ok(secret.clone()));
        assert_eq!(key.open(&sealed, Purpose::OutgoingUrl), Err(SecretsError::Damaged));
        assert_eq!(self::key().open(&sealed, Purpose::OutgoingSecret), Err(SecretsError::Damaged));
        let again = key.seal(&secret, Purpose::OutgoingSecret).unwrap();
        assert_ne!(sealed, again, "two of the same do not look the same");
    }

    #[test]
    fn any_damage_is_told_and_nothing_half_is_opened() {
        let key = key();
        let sealed = key.seal(&Secret::new("s"), Purpose::OutgoingUrl).unwrap();
        for at in 0..sealed.bytes().len() {
            let mut bytes = sealed.bytes().to_vec();
            bytes[at] ^= 1;
            assert_eq!(
                key.open(&Sealed::of(bytes), Purpose::OutgoingUrl),
                Err(SecretsError::Damaged),
                "{at}"
            );
            let cut = Sealed::of(sealed.bytes()[..at].to_vec());
            assert_eq!(key.open(&cut, Purpose::OutgoingUrl), Err(SecretsError::Damaged), "cut at {at}");
        }
    }

    #[test]
    fn a_key_reads_back_from_its_text_and_is_told_from_others_by_its_check() {
        let key = key();
        let again = Key::parse(&format!("{}\n", key.text().reveal())).unwrap();
        assert_eq!(again.check(), key.check());
        assert_ne!(self::key().check(), key.check());
        assert!(!key.text().reveal().contains(&key.check()));
        for other in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            assert!(Key::parse(other).is_none(), "{other:?}");
        }
    }

    /// RFC 4231, test cases 2 and 1, and the example of GitHub's documentation on validating deliveries.
    #[test]
    fn signatures_are_those_of_the_published_vectors() {
        let cases = [
            (
                "Jefe",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                "\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}",
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                "It's a Secret to Everybody",
                "Hello, World!",
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            ),
        ];
        for (secret, body, signature) in cases {
            assert_eq!(sign(&Secret::new(secret), body.as_bytes()), signature);
        }
    }
}
