//! Where a backup lies: a directory, or a bucket of a store that speaks S3.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use miette::{IntoDiagnostic, WrapErr};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig, WriteMultipart};

use crate::private;

/// Longer objects go up in parts.
const PART_BYTES: usize = 16 * 1024 * 1024;
const PARTS_AT_ONCE: usize = 4;
/// For how long a store is asked again that fails.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(15);

/// A place for backups.
#[derive(Clone)]
pub struct Place {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    text: String,
}

impl Place {
    /// `DIRECTORY`, `file:///DIRECTORY` or `s3://BUCKET/FOLDER`. Credentials, region and endpoint of a store come from the
    /// environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`, `AWS_ALLOW_HTTP`.
    pub fn open(text: &str) -> miette::Result<Place> {
        Self::open_with(text, |directory| match directory.is_dir() {
            true => Ok(()),
            false => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such directory")),
        })
    }

    /// The same, for who writes: a directory is made, which only its owner may enter. Everybody's accounts are in it.
    pub fn make(text: &str) -> miette::Result<Place> {
        Self::open_with(text, private::make_dir)
    }

    fn open_with(text: &str, ensure: impl FnOnce(&std::path::Path) -> std::io::Result<()>) -> miette::Result<Place> {
        let cannot_use = || format!("cannot use {text} for backups");
        let (store, prefix): (Arc<dyn ObjectStore>, Path) = if let Some(bucket) = text.strip_prefix("s3://") {
            let folder = bucket.split_once('/').map_or("", |(_, folder)| folder);
            // One implementation of TLS and of hashes is in this process.
            let _ = rustls::crypto::ring::default_provider().install_default();
            if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
                tracing::warn!(
                    "AWS_ACCESS_KEY_ID is not set: credentials are asked of the cloud that this host is in, if any"
                );
            }
            // Whoever ships or reads tries again by itself, and is to say meanwhile what is wrong.
            let retry = RetryConfig { retry_timeout: GIVEN_UP_AFTER, ..RetryConfig::default() };
            let store = AmazonS3Builder::from_env().with_url(text).with_retry(retry).build();
            let store = store.into_diagnostic().wrap_err_with(cannot_use)?;
            (Arc::new(store), Path::parse(folder).into_diagnostic().wrap_err_with(cannot_use)?)
        } else if text.contains("://") && !text.starts_with("file://") {
            miette::bail!(help = "give a directory, or s3://BUCKET/FOLDER", "{text} is no place for backups");
        } else {
            let directory = PathBuf::from(text.strip_prefix("file://").unwrap_or(text));
            ensure(&directory).into_diagnostic().wrap_err_with(cannot_use)?;
            let store = LocalFileSystem::new_with_prefix(&directory).into_diagnostic().wrap_err_with(cannot_use)?;
            (Arc::new(store.with_fsync(true)), Path::default())
        };
        Ok(Place { store, prefix, text: text.to_owned() })
    }

    /// As it was named.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes an object: whole or not at all.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let path = self.path(name);
        if bytes.len() <= PART_BYTES {
            return self.store.put(&path, PutPayload::from(bytes)).await.map(drop);
        }
        let upload = self.store.put_multipart(&path).await?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let bytes = Bytes::from(bytes);
        for at in (0..bytes.len()).step_by(PART_BYTES) {
            parts.wait_for_capacity(PARTS_AT_ONCE).await?;
            parts.put(bytes.slice(at..bytes.len().min(at + PART_BYTES)));
        }
        parts.finish().await.map(drop)
    }

    /// Reads an object.
    pub async fn get(&self, name: &str) -> Result<Bytes, Error> {
        self.store.get(&self.path(name)).await?.bytes().await
    }

    /// Reads an object that may not be there.
    pub async fn find(&self, name: &str) -> Result<Option<Bytes>, Error> {
        match self.get(name).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in a folder and below it that sort after `after`, relative to the folder, in order.
    pub async fn list(&self, folder: &str, after: Option<&str>) -> Result<Vec<String>, Error> {
        let prefix = self.path(folder);
        let found = match after {
            Some(after) => self.store.list_with_offset(Some(&prefix), &prefix.clone().join_all(after)),
            None => self.store.list(Some(&prefix)),
        };
        let found: Vec<_> = found.try_collect().await?;
        let relative = |path: &Path| {
            let parts: Vec<String> = path.prefix_match(&prefix)?.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        let mut names: Vec<String> = found.iter().filter_map(|object| relative(&object.location)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The folders right in a folder of the backup, or in the backup itself.
    pub async fn folders(&self, of: &str) -> Result<Vec<String>, Error> {
        let found = self.store.list_with_delimiter(Some(&self.path(of))).await?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        Ok(found.common_prefixes.iter().filter_map(name).collect())
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join_all(name)
    }
}

/// A path with a name of several parts behind it.
trait JoinAll {
    fn join_all(self, name: &str) -> Path;
}

impl JoinAll for Path {
    fn join_all(self, name: &str) -> Path {
        name.split('/').filter(|part| !part.is_empty()).fold(self, |path, part| path.join(part))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_that_is_made_for_a_backup_is_its_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let made = home.path().join("backups").join("exchange");
        Place::make(made.to_str().unwrap()).unwrap();
        for directory in [made.as_path(), made.parent().unwrap()] {
            assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", directory.display());
        }
    }
}
