//! Where the database is, and how it is reached.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{CancelToken, Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

/// How long a connection may take to come about.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A reader's statement that nobody could cancel ends by itself, not before this.
const CANCEL_LOST_AFTER: Duration = Duration::from_secs(5);
/// How long the database may work on one statement of a writer.
const STATEMENT_TIMEOUT_MS: u32 = 20_000;

/// Where history is kept, if not in the gateway's memory.
pub struct HistoryConfig {
    postgres: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

/// Why a database cannot be used as it was told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryConfigError {
    /// The text is none that names a database. It may hold a password: it is not repeated.
    #[error(
        "`postgres` is no connection string, like \"host=/run/postgresql dbname=mainstay\" or postgres://USER@HOST/NAME"
    )]
    NotAConnection,
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file has no certificate.
    #[error("{} has no certificate: {what}", path.display())]
    NoAuthority {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// History would travel in plain.
    #[error("the database on {host} is on another machine: give `ca`, the authority of its certificate")]
    InPlain {
        /// Which.
        host: String,
    },
}

impl HistoryConfig {
    /// Reads a connection string. Its password may be in a file of its own; with `ca`, PEM certificates, the connection is
    /// one by TLS to a server with a certificate of that authority, and without it a local one.
    pub fn read(
        connection: &str,
        password_file: Option<&Path>,
        ca: Option<&Path>,
    ) -> Result<HistoryConfig, HistoryConfigError> {
        // The parser's error may quote what it could not read, and that may be a password.
        let mut postgres: tokio_postgres::Config =
            connection.parse().map_err(|_| HistoryConfigError::NotAConnection)?;
        if postgres.get_hosts().is_empty() && postgres.get_hostaddrs().is_empty() {
            return Err(HistoryConfigError::NotAConnection);
        }
        if let Some(path) = password_file {
            let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable(path))?);
            postgres.password(text.trim_end_matches(['\r', '\n']));
        }
        let tls = ca.map(authority).transpose()?;
        match &tls {
            Some(_) => postgres.ssl_mode(SslMode::Require),
            None => {
                if let Some(host) = remote(&postgres) {
                    return Err(HistoryConfigError::InPlain { host });
                }
                postgres.ssl_mode(SslMode::Disable)
            }
        };
        if postgres.get_application_name().is_none() {
            postgres.application_name("mainstay-gateway");
        }
        let options = postgres.get_options().unwrap_or_default();
        // The log is what is durable: what the database loses when it stops it is told again. So it need not wait for its
        // disk, and never slows the disk of a node beside it.
        postgres.options(format!(
            "{options} -c synchronous_commit=off -c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout=5000"
        ));
        postgres.connect_timeout(CONNECT_TIMEOUT);
        postgres.keepalives_idle(Duration::from_secs(10));
        postgres.tcp_user_timeout(Duration::from_secs(10));
        Ok(HistoryConfig { postgres, tls })
    }

    /// What to call the database to people: without its user and password.
    pub fn place(&self) -> String {
        let host = match self.postgres.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self.postgres.get_hostaddrs().first().map_or_else(String::new, ToString::to_string),
        };
        let name = self.postgres.get_dbname().or(self.postgres.get_user()).unwrap_or("postgres");
        format!("{name} on {host}")
    }

    /// A connection of one's own. It is served until it is dropped.
    pub(in crate::history) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.postgres.connect(tls.clone()).await?;
                tokio::spawn(serve(connection));
                Ok(client)
            }
            None => {
                let (client, connection) = self.postgres.connect(NoTls).await?;
                tokio::spawn(serve(connection));
                Ok(client)
            }
        }
    }

    /// Connections for readers, none of whom waits longer than this. What they do not wait for any more is canceled; the
    /// database's own limit is for cancels that do not arrive.
    pub(super) fn manager(&self, read_timeout: Duration) -> deadpool_postgres::Manager {
        let mut postgres = self.postgres.clone();
        let options = postgres.get_options().unwrap_or_default();
        let limit = (2 * read_timeout).max(CANCEL_LOST_AFTER);
        // The last one counts.
        postgres.options(format!("{options} -c statement_timeout={0} -c lock_timeout={0}", limit.as_millis()));
        match &self.tls {
            Some(tls) => deadpool_postgres::Manager::new(postgres, tls.clone()),
            None => deadpool_postgres::Manager::new(postgres, NoTls),
        }
    }

    /// Lets the database end what a connection works on, for which nobody waits any more.
    pub(super) async fn cancel(&self, of: CancelToken) {
        let canceled = timeout(2 * CONNECT_TIMEOUT, async {
            match &self.tls {
                Some(tls) => of.cancel_query(tls.clone()).await,
                None => of.cancel_query(NoTls).await,
            }
        });
        let error = match canceled.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its database does not answer".to_owned(),
        };
        tracing::debug!(error, "a statement that took too long could not be canceled; its own limit ends it");
    }
}

async fn serve(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    // Whoever uses it is told by the statement that fails.
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to history's database ended");
    }
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> HistoryConfigError {
    move |error| HistoryConfigError::Unreadable { path: path.to_path_buf(), error }
}

fn authority(path: &Path) -> Result<MakeRustlsConnect, HistoryConfigError> {
    let pem = std::fs::read(path).map_err(unreadable(path))?;
    let no_authority = |what: String| HistoryConfigError::NoAuthority { path: path.to_path_buf(), what };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| no_authority(error.to_string()))?;
        roots.add(certificate).map_err(|error| no_authority(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(no_authority("it is empty".into()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// A host that is not this machine.
fn remote(postgres: &tokio_postgres::Config) -> Option<String> {
    let by_name = postgres.get_hosts().iter().find_map(|host| match host {
        Host::Unix(_) => None,
        Host::Tcp(name) if name == "localhost" => None,
        Host::Tcp(name) => match name.parse::<std::net::IpAddr>() {
            Ok(ip) if ip.is_loopback() => None,
            _ => Some(name.clone()),
        },
    });
    let by_address = || postgres.get_hostaddrs().iter().find(|ip| !ip.is_loopback()).map(ToString::to_string);
    by_name.or_else(by_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(connection: &str) -> String {
        HistoryConfig::read(connection, None, None).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_database_on_this_machine_needs_no_tls() {
        for connection in [
            "host=/run/postgresql dbname=mainstay",
            "host=localhost user=a password=b",
            "postgres://a:b@127.0.0.1:5433/mainstay",
            "host=::1",
        ] {
            assert_eq!(refused(connection), "", "{connection}");
        }
    }

    #[test]
    fn history_does_not_travel_to_another_machine_in_plain() {
        assert!(refused("host=db.example user=a password=b").contains("db.example is on another machine"));
        assert!(refused("host=db.example hostaddr=127.0.0.1").contains("db.example"));
        assert!(refused("host=localhost hostaddr=10.0.0.7").contains("10.0.0.7"));
        assert!(refused("postgres://a@10.0.0.7/x?sslmode=require").contains("10.0.0.7"));
    }

    #[test]
    fn a_text_that_names_no_database_is_not_repeated() {
        for connection in ["", "user=a password=b", "postgres://a:se cret@", "host=x passw=secret", "secret"] {
            assert!(refused(connection).starts_with("`postgres` is no connection string"), "{connection}");
            assert!(!refused(connection).contains("secret"));
        }
    }

    #[test]
    fn people_are_told_of_the_place_without_the_password() {
        let config = HistoryConfig::read("postgres://me:secret@127.0.0.1/mainstay", None, None).unwrap();
        assert_eq!(config.place(), "mainstay on 127.0.0.1");
        let config = HistoryConfig::read("host=/run/postgresql user=me", None, None).unwrap();
        assert_eq!(config.place(), "me on /run/postgresql");
    }

    #[test]
    fn the_password_may_be_in_a_file() {
        let file = std::env::temp_dir().join(format!("mainstay-history-password-{}", std::process::id()));
        std::fs::write(&file, "from a file\n").unwrap();
        let config = HistoryConfig::read("host=localhost", Some(&file), None).unwrap();
        assert_eq!(config.postgres.get_password(), Some(b"from a file".as_slice()));
        std::fs::remove_file(&file).unwrap();
        let missing = HistoryConfig::read("host=localhost", Some(&file), None).err().unwrap().to_string();
        assert!(missing.starts_with("cannot read "), "{missing}");
    }
}
