//! `mainstay ctl operator`: certificates of operators beside the demo's own.

use std::path::Path;

use loadgen::state::Cluster;

use super::Place;
use crate::pki;

/// What the names of operators begin with; nodes believe no other to be one.
const PREFIX: &str = "operator-";
const NAME_MAX: usize = 32;

/// `mainstay ctl operator`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a certificate for another operator, by the demo's own authority: `mainstay ctl --operator operator-2 …`
    Add {
        /// Its name, `operator-2`.
        name: String,
    },
}

/// Does it.
pub fn run(place: &Place, command: Command) -> miette::Result<()> {
    let Command::Add { name } = command;
    check(&name)?;
    let dir = certificates(&place.own_cluster()?)?.to_path_buf();
    if !dir.join("ca.key").exists() {
        miette::bail!(
            help = "whoever has the authority's key signs a certificate for that name",
            "the authority's key is not in {}",
            dir.display()
        );
    }
    pki::ensure(&dir, std::slice::from_ref(&name))?;
    println!("{name} is an operator: mainstay ctl --operator {name} …");
    Ok(())
}

/// The cluster, with the certificate of another operator.
pub fn as_operator(mut cluster: Cluster, name: &str) -> miette::Result<Cluster> {
    check(name)?;
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

fn check(name: &str) -> miette::Result<()> {
    let is_plain =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if name.len() <= NAME_MAX && name.strip_prefix(PREFIX).is_some_and(is_plain) {
        return Ok(());
    }
    Err(miette::miette!("an operator's name is {PREFIX} and letters, digits or hyphens, {NAME_MAX} at most: {PREFIX}2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_an_operator_is_no_path_and_no_other_role() {
        assert!(check("operator-2").is_ok());
        let long = format!("operator-{}", "x".repeat(24));
        for wrong in ["operator-", "operator", "node-1", "operator-../ca", "../operator-2", "", long.as_str()] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
