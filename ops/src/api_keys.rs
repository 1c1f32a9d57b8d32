//! The commands that give an account an API key.

use cluster_client::envelope;
use ed25519_dalek::pkcs8::Document;
use ed25519_dalek::pkcs8::spki::SubjectPublicKeyInfoRef;
use ed25519_dalek::pkcs8::spki::der::asn1::UintRef;
use ed25519_dalek::pkcs8::spki::der::{Decode, Reader, SliceReader};
use miette::IntoDiagnostic;
use wire::command::{AddApiKey, ApiKeyKind, ExtendApiKey, Permissions};
use wire::{AccountId, ApiKeyText, Secret};

/// The command that adds a key signing with a shared secret, sealed.
pub fn hmac(id: AccountId, text: &str, secret: &str, envelope_key: &[u8; 32]) -> miette::Result<AddApiKey> {
    let sealed = envelope::seal(envelope_key, text, secret.as_bytes()).into_diagnostic()?;
    api_key(id, text, ApiKeyKind::Hmac, sealed)
}

/// The command that adds a key signing with Ed25519.
pub fn ed25519(id: AccountId, text: &str, public: &[u8; 32]) -> miette::Result<AddApiKey> {
    api_key(id, text, ApiKeyKind::Ed25519, material(public)?)
}

/// The commands that add a key signing with RSA, in their order.
pub struct RsaParts {
    /// The key with the first bytes of its modulus.
    pub key: AddApiKey,
    /// The bytes that follow.
    pub rest: Vec<ExtendApiKey>,
}

/// Reads a `SubjectPublicKeyInfo` (RFC 5280) that holds an `RSAPublicKey` (RFC 8017, appendix A.1.1).
pub fn rsa(id: AccountId, text: &str, pem: &str) -> miette::Result<RsaParts> {
    let (_, document) = Document::from_pem(pem).map_err(|error| miette::miette!("{error}"))?;
    let info = SubjectPublicKeyInfoRef::from_der(document.as_bytes()).map_err(|error| miette::miette!("{error}"))?;
    let modulus = modulus(info.subject_public_key.raw_bytes())?;
    // Its length comes first: nobody takes the first parts of a long modulus for a short one.
    let mut whole = u16::try_from(modulus.len()).into_diagnostic()?.to_be_bytes().to_vec();
    whole.extend(modulus);
    let mut parts = whole.chunks(Secret::CAPACITY);
    let first = material(parts.next().unwrap_or_default())?;
    let key = api_key(id, text, ApiKeyKind::Rsa, first)?;
    let rest =
        (1..).zip(parts).map(|(part, bytes)| Ok(ExtendApiKey { key: key.key, part, material: material(bytes)? }));
    Ok(RsaParts { rest: rest.collect::<miette::Result<_>>()?, key })
}

fn modulus(der: &[u8]) -> miette::Result<Vec<u8>> {
    let read = || {
        let mut reader = SliceReader::new(der)?;
        reader.sequence(|fields: &mut SliceReader<'_>| {
            let (modulus, exponent) = (UintRef::decode(fields)?, UintRef::decode(fields)?);
            Ok::<_, ed25519_dalek::pkcs8::spki::der::Error>((modulus.as_bytes().to_vec(), exponent.as_bytes().to_vec()))
        })
    };
    let (modulus, exponent) = read().map_err(|error| miette::miette!("{error}"))?;
    if exponent != [1, 0, 1] {
        return Err(miette::miette!("its public exponent is not 65537"));
    }
    if ![256, 384, 512].contains(&modulus.len()) {
        return Err(miette::miette!("it has {} bits, not 2048, 3072 or 4096", modulus.len() * 8));
    }
    Ok(modulus)
}

fn material(bytes: &[u8]) -> miette::Result<Secret> {
    Secret::new(bytes).map_err(|error| miette::miette!("not a public key: {error:?}"))
}

fn api_key(id: AccountId, text: &str, kind: ApiKeyKind, secret: Secret) -> miette::Result<AddApiKey> {
    let key = ApiKeyText::new(text.as_bytes()).map_err(|error| miette::miette!("not an API key: {error:?}"))?;
    Ok(AddApiKey { account: id, key, kind, permissions: Permissions::READ_AND_TRADE, secret })
}
