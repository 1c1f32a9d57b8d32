//! `mainstay ctl operator`: certificates of operators beside the demo's own.

use std::path::Path;

use super::Place;
use crate::{pki, report};
use loadgen::state::Cluster;

/// What the names of operators begin with; nodes believe no other to be one.
const PREFIX: &str = "operator-";
const NAME_MAX: usize = 32;

/// `mainstay ctl operator`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a certificate for another operator, by the demo's own authority: `mainstay ctl --operator operator-2 …`
    Add {
        /// Its name, `operator-2`.
        #[arg(value_parser = name)]
        name: String,
        /// Make a new key and certificate in place of those that there are. Nodes believe the old certificate all the same:
        /// it is no way to lock out who has its key.
        #[arg(long)]
        replace: bool,
    },
}

/// Does it.
pub fn run(place: &Place, command: Command) -> miette::Result<()> {
    let Command::Add { name, replace } = command;
    let dir = certificates(&place.own_cluster()?)?.to_path_buf();
    if !dir.join("ca.key").exists() {
        miette::bail!(
            help = "whoever has the authority's key signs a certificate for that name",
            "the authority's key is not in {}",
            dir.display()
        );
    }
    make(&dir, &name, replace)?;
    println!("{name} is an operator: mainstay ctl --operator {name} …");
    Ok(())
}

/// Makes its certificate in `dir`, where no other operator has that name.
fn make(dir: &Path, name: &str, replace: bool) -> miette::Result<()> {
    let cert = pki::files(dir, name).cert;
    if cert.exists() && !replace {
        miette::bail!(
            help = format!(
                "use it: mainstay ctl --operator {name} …; for another operator choose another name, for a new key of this \
                 one say --replace"
            ),
            "there is an operator {name} already, with a certificate in {}",
            dir.display()
        );
    }
    if cert.exists() {
        return Ok(pki::issue(dir, name)?);
    }
    pki::ensure(dir, &[name.to_owned()])?;
    Ok(())
}

/// The cluster, with the certificate of another operator.
pub fn as_operator(mut cluster: Cluster, name: &str) -> miette::Result<Cluster> {
    self::name(name).map_err(report::usage)?;
    let dir = certificates(&cluster)?.to_path_buf();
    let (cert, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    if !cert.exists() {
        miette::bail!(
            help = format!("mainstay ctl operator add {name}"),
            "there is no certificate of {name} in {}",
            dir.display()
        );
    }
    (cluster.operator.name, cluster.operator.cert, cluster.operator.key) = (name.to_owned(), cert, key);
    Ok(cluster)
}

fn certificates(cluster: &Cluster) -> miette::Result<&Path> {
    let dir = cluster.operator.cert.parent();
    dir.ok_or_else(|| miette::miette!("the state file does not say where certificates are"))
}

/// A name that nodes believe an operator to have, and that is a file's too.
fn name(name: &str) -> Result<String, String> {
    let is_plain =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if name.len() <= NAME_MAX && name.strip_prefix(PREFIX).is_some_and(is_plain) {
        return Ok(name.to_owned());
    }
    Err(format!("an operator's name is {PREFIX} and letters, digits or hyphens, {NAME_MAX} at most: {PREFIX}2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_an_operator_is_no_path_and_no_other_role() {
        assert!(name("operator-2").is_ok());
        let long = format!("operator-{}", "x".repeat(24));
        for wrong in ["operator-", "operator", "node-1", "operator-../ca", "../operator-2", "", long.as_str()] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_operator_keeps_its_certificate_unless_a_new_one_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let read =
            || ["pem", "key"].map(|kind| std::fs::read(dir.path().join(format!("operator-demo.{kind}"))).unwrap());
        make(dir.path(), "operator-demo", false).unwrap();
        let first = read();
        let why = make(dir.path(), "operator-demo", false).unwrap_err().to_string();
        assert!(why.contains("there is an operator operator-demo already"), "{why}");
        assert_eq!(read(), first);
        make(dir.path(), "operator-demo", true).unwrap();
        let second = read();
        assert!(first.iter().zip(&second).all(|(first, second)| first != second));
        make(dir.path(), "operator-2", true).unwrap();
        std::fs::remove_file(dir.path().join("ca.key")).unwrap();
        make(dir.path(), "operator-demo", true).unwrap_err();
        assert_eq!(read(), second, "what cannot be replaced stays");
    }
}
