//! Names of the source as people say them.

/// `NewOrder` and `new_order` are `new order`. What does not begin with a letter stays.
pub fn spaced(name: &str) -> String {
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return name.to_owned();
    }
    let mut text = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            text.push(' ');
        }
        text.push(if letter == '_' { ' ' } else { letter.to_ascii_lowercase() });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::spaced;

    #[test]
    fn names_become_words() {
        for (name, words) in [("NewOrder", "new order"), ("client_order_id", "client order id"), ("12.5", "12.5")] {
            assert_eq!(spaced(name), words);
        }
    }
}
