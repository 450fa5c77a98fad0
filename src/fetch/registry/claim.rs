//! What is signed about an image, in the two forms in which cosign keeps it.
//!
//! Sources: cosign's SIGNATURE_SPEC.md (a payload of simple signing) and BUNDLE_SPEC.md (a Sigstore bundle, which
//! `sigstore_bundle.proto` describes, with an envelope of DSSE 1.0.2 around an in-toto statement 1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::digest::Digest;

/// The media type of a payload of simple signing.
pub(super) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// How the media types of Sigstore's bundles begin, of every version.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// The annotation that has a payload's signature.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// What a signature of an image is, in a payload.
const OF_IMAGE: &str = "cosign container image signature";
/// The same in a statement: others attest where an image came from, or what is in it.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// Bytes with signatures, which say that an image is good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The bytes that were signed.
    pub(super) message: Vec<u8>,
    /// The signatures: which is by whom, only a key can tell.
    pub(super) signatures: Vec<Vec<u8>>,
    /// The digests of the manifests or indexes that are meant.
    pub(super) images: Vec<Digest>,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

/// `identity` is not read: cosign does not either, for an image is signed by its digest, wherever it lies.
#[derive(Deserialize)]
struct Critical {
    image: ClaimedImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ClaimedImage {
    #[serde(rename = "docker-manifest-digest", alias = "Docker-manifest-digest")]
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: String,
}

impl Claim {
    /// A payload, with the annotation that has its signature.
    pub(super) fn of_payload(payload: &[u8], signature: &str) -> Option<Self> {
        let Payload { critical } = serde_json::from_slice(payload).ok()?;
        let signatures = vec![STANDARD.decode(signature).ok()?];
        let images = vec![critical.image.digest];
        (critical.kind == OF_IMAGE).then(|| Claim { message: payload.to_vec(), signatures, images })
    }

    /// A bundle that holds a signature of an image.
    pub(super) fn of_bundle(bundle: &[u8]) -> Option<Self> {
        let Bundle { dsse_envelope: Envelope { payload, payload_type, signatures } } =
            serde_json::from_slice(bundle).ok()?;
        let payload = STANDARD.decode(payload).ok()?;
        let statement: Statement = serde_json::from_slice(&payload).ok()?;
        let images = statement.subject.iter();
        let images = images.filter_map(|subject| format!("sha256:{}", subject.digest.sha256).parse().ok()).collect();
        let signatures = signatures.iter().filter_map(|signature| STANDARD.decode(&signature.sig).ok()).collect();
        let message = pre_authentication_encoding(&payload_type, &payload);
        (statement.predicate_type == SIGNED).then_some(Claim { message, signatures, images })
    }
}

/// What DSSE signs (its protocol.md, "PAE").
fn pre_authentication_encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_signed_as_dsse_says() {
        // The example of DSSE's protocol.md.
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn only_a_signature_of_an_image_is_one() {
        let digest = Digest::of(b"");
        let payload = |kind: &str| {
            format!(
                r#"{{"critical":{{"identity":{{}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{kind}"}}}}"#
            )
        };
        assert_eq!(Claim::of_payload(payload(OF_IMAGE).as_bytes(), "AAAA").expect("a claim").images, [digest]);
        assert_eq!(Claim::of_payload(payload("atomic container signature").as_bytes(), "AAAA"), None);
        assert_eq!(Claim::of_payload(payload(OF_IMAGE).as_bytes(), "no base64"), None);
        let bundle = |predicate: &str| {
            let statement = format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"{predicate}"}}"#,
                digest.hex()
            );
            let payload = STANDARD.encode(statement);
            format!(
                r#"{{"dsseEnvelope":{{"payload":"{payload}","payloadType":"application/vnd.in-toto+json","signatures":[{{"sig":"AAAA"}}]}}}}"#
            )
        };
        assert_eq!(Claim::of_bundle(bundle(SIGNED).as_bytes()).expect("a claim").images, [digest]);
        assert_eq!(
            Claim::of_bundle(bundle("https://slsa.dev/provenance/v1").as_bytes()),
            None,
            "says where it is from"
        );
    }
}
