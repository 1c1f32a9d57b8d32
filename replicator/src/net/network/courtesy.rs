//! Whether others are let speak before the thread waits for the disk.
//!
//! Where every core is busy, whoever is let run meanwhile says something that joins what is written: a batch more for the
//! same wait. Where nobody has anything to say it is a detour before every write. Which of the two it is, the last times tell.

/// Times that count, roughly.
const MEMORY: u8 = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Courtesy {
    /// Up by one when something had come, down by one when nothing had.
    worth: u8,
    /// Times that were left out since the last.
    left_out: u8,
}

impl Courtesy {
    /// Takes it that it pays.
    pub fn new() -> Courtesy {
        Courtesy { worth: MEMORY, left_out: 0 }
    }

    /// Whether to do it this time: when it mostly pays, else now and then, to see.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.worth > MEMORY / 2 || self.left_out == MEMORY;
        self.left_out = if is_due { 0 } else { self.left_out + 1 };
        is_due
    }

    /// Whether something had come by the time the thread ran again.
    pub fn learn(&mut self, something_came: bool) {
        self.worth = if something_came { (self.worth + 1).min(MEMORY) } else { self.worth.saturating_sub(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is done in 1,000 times, if every `nth` time something comes; 0 for never.
    fn done(courtesy: &mut Courtesy, nth: usize) -> usize {
        let times = (1..=1_000).filter(|time| {
            let is_due = courtesy.is_due();
            if is_due {
                courtesy.learn(nth != 0 && time % nth == 0);
            }
            is_due
        });
        times.count()
    }

    #[test]
    fn where_something_comes_it_is_done_always() {
        assert_eq!(done(&mut Courtesy::new(), 1), 1_000);
    }

    #[test]
    fn where_nothing_comes_it_is_tried_now_and_then() {
        let tried = done(&mut Courtesy::new(), 0);
        assert!((50..100).contains(&tried), "{tried} of 1,000");
    }

    #[test]
    fn what_pays_again_is_done_again() {
        let mut courtesy = Courtesy::new();
        done(&mut courtesy, 0);
        let again = done(&mut courtesy, 1);
        assert!(again > 800, "{again} of 1,000");
        assert_eq!(done(&mut courtesy, 1), 1_000);
    }
}
