//! Vectors of BIP 173, BIP 350 and EIP-55, and what is almost one of them.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(format: AddressFormat, text: &str, wanted: Option<&str>) {
    assert_eq!(canonical(&format, text).map(|address| address.to_string()).as_deref(), wanted, "{text}");
}

#[test]
fn bitcoin_addresses_are_those_with_a_right_checksum_of_a_known_kind() {
    let bitcoin = AddressFormat::bitcoin();
    for own in [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ] {
        check(bitcoin, own, Some(own));
    }
    let lower = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    check(bitcoin, &lower.to_uppercase(), Some(lower));
    for (why, other) in [
        ("mixed case", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7Kv8f3t4"),
        ("a slip", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"),
        ("bech32 where bech32m is due", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd"),
        ("bech32m where bech32 is due", "bc1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47"),
        ("a version nobody knows", "bc1sw50qgdz25j"),
        ("version 1 of another length", "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y"),
        ("another chain's", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
        ("another chain's", "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9"),
        ("a slip", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"),
        ("another version byte", "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"),
        ("nothing", ""),
        ("spaces", " bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ] {
        assert_eq!(canonical(&bitcoin, other), None, "{why}: {other}");
    }
}

#[test]
fn each_chain_has_its_own_addresses() {
    let regtest = "rltc1qnjg0jd8228aq7egyzacy8cys3knf9xvr0pw77v";
    check(AddressFormat::litecoin_regtest(), regtest, Some(regtest));
    check(AddressFormat::litecoin(), regtest, None);
    check(AddressFormat::litecoin(), "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", Some("LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1"));
    check(AddressFormat::bitcoin(), "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", None);
    check(AddressFormat::Evm, regtest, None);
}

#[test]
fn evm_addresses_of_mixed_case_have_a_checksum_and_all_are_written_with_it() {
    for printed in [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        let digits = &printed[2..];
        check(AddressFormat::Evm, printed, Some(printed));
        check(AddressFormat::Evm, &printed.to_lowercase(), Some(printed));
        check(AddressFormat::Evm, &format!("0x{}", digits.to_uppercase()), Some(printed));
        check(AddressFormat::Evm, digits, None);
        check(AddressFormat::Evm, &printed[..41], None);
        check(AddressFormat::Evm, &format!("{printed}0"), None);
        check(AddressFormat::Evm, &format!("0X{digits}"), None);
    }
    check(AddressFormat::Evm, "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", None);
    check(AddressFormat::Evm, "0x0000000000000000000000000000000000000000", None);
    check(AddressFormat::Evm, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg", None);
}

proptest! {
    #[test]
    fn one_slip_makes_no_other_address(at in 0_usize..42, with in "[0-9a-z]") {
        let right = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        let mut text = right.to_owned();
        text.replace_range(at..=at, &with);
        prop_assert_eq!(canonical(&AddressFormat::bitcoin(), &text).is_some(), text == right);
    }

    #[test]
    fn no_text_is_too_strange(text in ".{0,120}") {
        for format in [AddressFormat::bitcoin(), AddressFormat::litecoin(), AddressFormat::Evm] {
            let known = canonical(&format, &text);
            prop_assert!(known.is_none_or(|address| canonical(&format, address.as_str()) == Some(address)));
        }
    }
}
