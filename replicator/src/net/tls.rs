//! Certificates: TLS 1.3 alone, both ends authenticated by the cluster's own authority.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// An end's certificates and key, each PEM text. The certificate needs its name as DNS subject
/// alternative name and, when it limits its use at all, both server and client authentication.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The authorities that every peer's certificate must descend from.
    pub ca: Vec<u8>,
    /// This end's certificate, followed by intermediates if there are any.
    pub cert: Vec<u8>,
    /// The certificate's private key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

/// Why certificates or key are not usable.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority's PEM text has no certificate, or one that cannot be read.
    #[error("the authority's certificate cannot be read: {0}")]
    Authority(String),
    /// The certificate's PEM text has no certificate, or one that cannot be read.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// The key's PEM text has no private key, or one that cannot be read.
    #[error("the private key cannot be read: {0}")]
    Key(String),
    /// Certificate and key do not go together, or are of a kind that is not supported.
    #[error("certificate and key are not usable: {0}")]
    Unusable(String),
}

impl TlsIdentity {
    /// For the accepting end: demands a certificate of the same authority from whoever connects.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()?), Arc::clone(&provider))
            .build()
            .map_err(|error| TlsError::Authority(error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| TlsError::Unusable(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.certificates()?, self.private_key()?)
            .map_err(|error| TlsError::Unusable(error.to_string()))?;
        // Links are few and long: resuming a session would save nothing.
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// For the dialing end: checks that the accepting end's certificate is of the same authority and valid for the
    /// name it was dialed by.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| TlsError::Unusable(error.to_string()))?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(self.certificates()?, self.private_key()?)
            .map_err(|error| TlsError::Unusable(error.to_string()))?;
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&self.ca) {
            let certificate = certificate.map_err(|error| TlsError::Authority(error.to_string()))?;
            roots.add(certificate).map_err(|error| TlsError::Authority(error.to_string()))?;
        }
        if roots.is_empty() { Err(TlsError::Authority("no certificate".to_owned())) } else { Ok(roots) }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, _>>()
            .map_err(|error| TlsError::Certificate(error.to_string()))?;
        if certificates.is_empty() {
            return Err(TlsError::Certificate("no certificate".to_owned()));
        }
        Ok(certificates)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Key(error.to_string()))
    }
}

/// Whether this certificate, already verified, is valid for `name`.
pub(super) fn is_valid_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(certificate), Ok(name)) = (webpki::EndEntityCert::try_from(certificate), ServerName::try_from(name)) else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}
