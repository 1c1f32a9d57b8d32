use super::*;

/// BIP 84's own example: the account of "abandon … about".
const BIP84: &str =
    "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V";

#[test]
fn bip84s_example_has_bip84s_addresses() {
    let keys = AddressKeys::new(BIP84, AddressScheme::Segwit { prefix: "bc".into() }).unwrap();
    let address = |index| keys.derive(index).unwrap().0.to_string();
    assert_eq!(address(0), "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu");
    assert_eq!(address(1), "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g");
    let (_, destination) = keys.derive(0).unwrap();
    assert_eq!(hex::encode(destination.0), "0014c0cebcd6c3d3ca8c75dc5ec62ebe55330ef910e2");
}

#[test]
fn other_chains_print_the_same_key_otherwise() {
    let litecoin = AddressKeys::new(BIP84, AddressScheme::Segwit { prefix: "rltc".into() }).unwrap();
    assert!(litecoin.derive(0).unwrap().0.as_str().starts_with("rltc1q"));
    let evm = AddressKeys::new(BIP84, AddressScheme::Evm).unwrap();
    let (text, destination) = evm.derive(0).unwrap();
    assert_eq!(text.as_str().to_lowercase(), format!("0x{}", hex::encode(destination.0)));
    assert_ne!(evm.derive(0), evm.derive(1));
    assert!(evm.derive(u32::MAX).is_none());
}

#[test]
fn a_private_key_and_nonsense_are_refused() {
    assert!(AddressKeys::new("xprv-nonsense", AddressScheme::Evm).is_err());
    assert!(AddressKeys::new(BIP84, AddressScheme::Segwit { prefix: "Ä".into() }).is_err());
}
