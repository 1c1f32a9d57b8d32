//! TLS towards clients: rustls with a certificate that is read again when its files change.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// How often the files are looked at.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// A certificate chain and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// The certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// When the certificate and its key were last written.
type FileTimes = [Option<SystemTime>; 2];

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// A file does not hold what it should.
    #[error("{0} does not hold a certificate or key as PEM: {1}")]
    NotPem(PathBuf, pem::Error),
    /// Certificate and key do not go together, or are of an unknown kind.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] tokio_rustls::rustls::Error),
}

/// The certificate that is in use now.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: ClientTls,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificate {
    pub(crate) fn load(files: ClientTls) -> Result<Arc<Certificate>, TlsError> {
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Arc::new(Certificate { files, current }))
    }

    /// What new connections are accepted with.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again whenever they change, for ever. What cannot be used changes nothing.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let mut seen = self.changed_at();
        loop {
            tokio::time::sleep(LOOK_PERIOD).await;
            let now = self.changed_at();
            seen = self.look(seen, now);
        }
    }

    /// Reads files that have changed since `seen`, and says which state of them is in use now. A certificate and its key
    /// are written one after the other: what cannot be used yet is tried again.
    fn look(&self, seen: FileTimes, now: FileTimes) -> FileTimes {
        if now == seen {
            return seen;
        }
        match self.reload() {
            Ok(()) => {
                tracing::info!("the clients' certificate was read again");
                now
            }
            Err(error) => {
                tracing::error!(%error, "the clients' certificate has changed and is of no use");
                seen
            }
        }
    }

    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn changed_at(&self) -> FileTimes {
        let at = |path: &PathBuf| std::fs::metadata(path).and_then(|about| about.modified()).ok();
        [at(&self.files.cert), at(&self.files.key)]
    }
}

fn read(files: &ClientTls) -> Result<CertifiedKey, TlsError> {
    let bytes = |path: &PathBuf| std::fs::read(path).map_err(|error| TlsError::Unreadable(path.clone(), error));
    let (cert, key) = (bytes(&files.cert)?, bytes(&files.key)?);
    let chain = CertificateDer::pem_slice_iter(&cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::NotPem(files.cert.clone(), error))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| TlsError::NotPem(files.key.clone(), error))?;
    Ok(CertifiedKey::from_der(chain, key, &ring::default_provider())?)
}

#[cfg(test)]
mod tests;
