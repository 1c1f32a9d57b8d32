//! The demo's certificates: one authority, and a certificate for each name in the cluster. What exists in the
//! directory is kept.

use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::config::TlsFiles;
use crate::private;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PkiError {
    /// A file.
    #[error("cannot keep certificates in {}: {source}", path.display())]
    Io {
        /// Which directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The authority's files are damaged, or something else went wrong with a certificate.
    #[error("the certificates in {} are unusable: {source}", path.display())]
    #[diagnostic(help("remove that directory to have new ones made; the keys of accounts are not in it"))]
    Certificate {
        /// Which directory.
        path: PathBuf,
        /// What is wrong.
        source: rcgen::Error,
    },
}

/// Makes the authority in `dir`, unless it is there, and a certificate for each name that has none.
pub fn ensure(dir: &Path, names: &[String]) -> Result<Vec<TlsFiles>, PkiError> {
    let failed = |source| PkiError::Io { path: dir.to_path_buf(), source };
    let broken = |source| PkiError::Certificate { path: dir.to_path_buf(), source };
    private::make_dir(dir).map_err(failed)?;
    let authority = files(dir, "ca");
    if !authority.cert.exists() {
        let key = KeyPair::generate().map_err(broken)?;
        let certificate = authority_params().self_signed(&key).map_err(broken)?;
        private::write(&authority.key, key.serialize_pem().as_bytes()).map_err(failed)?;
        private::write(&authority.cert, certificate.pem().as_bytes()).map_err(failed)?;
    }
    for name in names {
        if !files(dir, name).cert.exists() {
            issue(dir, name)?;
        }
    }
    Ok(names.iter().map(|name| files(dir, name)).collect())
}

/// Makes a key and a certificate for a name, in place of those that it may have: these stay where it fails before both are made.
pub fn issue(dir: &Path, name: &str) -> Result<(), PkiError> {
    let failed = |source| PkiError::Io { path: dir.to_path_buf(), source };
    let broken = |source| PkiError::Certificate { path: dir.to_path_buf(), source };
    let key = std::fs::read_to_string(files(dir, "ca").key).map_err(failed)?;
    let issuer = Issuer::new(authority_params(), KeyPair::from_pem(&key).map_err(broken)?);
    let key = KeyPair::generate().map_err(broken)?;
    let certificate = params(name).map_err(broken)?.signed_by(&key, &issuer).map_err(broken)?;
    let own = files(dir, name);
    private::write(&own.key, key.serialize_pem().as_bytes()).map_err(failed)?;
    private::write(&own.cert, certificate.pem().as_bytes()).map_err(failed)
}

/// Where the files of this name are.
pub fn files(dir: &Path, name: &str) -> TlsFiles {
    TlsFiles { ca: dir.join("ca.pem"), cert: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key")) }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Mainstay demo authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// For one process, which may accept connections and make them.
fn params(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_string()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_exists_is_kept_and_what_is_missing_is_added_for_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let read = |files: &TlsFiles| std::fs::read_to_string(&files.cert).unwrap();
        let first = ensure(dir.path(), &["node-1".into()]).unwrap();
        let before = read(&first[0]);
        let both = ensure(dir.path(), &["node-1".into(), "gateway-1".into()]).unwrap();
        assert_eq!(read(&both[0]), before);
        assert_ne!(read(&both[1]), before);
        for files in &both {
            assert_eq!(std::fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
