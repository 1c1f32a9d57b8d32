//! A story that goes wrong, told in fewer steps.

#[cfg(test)]
mod tests;

/// As few of these steps as could be found that still go wrong: halves are left out, then quarters, and so on down to single
/// steps, until none can be spared. `goes_wrong_at` says at which step; if none of all of them does, nothing is left.
pub(super) fn shortened<T: Clone>(steps: Vec<T>, goes_wrong_at: impl Fn(&[T]) -> Option<usize>) -> Vec<T> {
    let mut steps = steps;
    let Some(last) = goes_wrong_at(&steps) else { return Vec::new() };
    steps.truncate(last + 1);
    let mut piece = steps.len().div_ceil(2);
    loop {
        let before = steps.len();
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..steps.len().min(at + piece));
            match goes_wrong_at(&fewer) {
                Some(last) => {
                    fewer.truncate(last + 1);
                    steps = fewer;
                }
                None => at += piece,
            }
        }
        if piece > 1 {
            piece = piece.div_ceil(2);
        } else if steps.len() == before {
            return steps;
        }
    }
}
