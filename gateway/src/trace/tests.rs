use super::*;

#[test]
fn a_name_has_letters_digits_and_three_signs() {
    for name in ["a", "4bf92f3577b34da6a3ce929d0e0e4736", "A-1_b.c", &"x".repeat(64)] {
        assert_eq!(Trace::named(name).expect(name).name(), name);
    }
    for name in ["", "a b", "a\n", "é", "<x>", &"x".repeat(65)] {
        assert_eq!(Trace::named(name).unwrap_err().code, -1100, "{name}");
    }
}

#[tokio::test]
async fn commands_are_noted_by_the_request_that_sent_them_and_by_no_other() {
    let (one, other) = (Trace::named("one").unwrap(), Trace::named("other").unwrap());
    let send = |position| async move {
        tokio::task::yield_now().await;
        passed(PartitionId::new(1), LogPosition::new(position));
    };
    tokio::join!(
        following(Some(one.clone()), async {
            send(7).await;
            send(8).await;
        }),
        following(Some(other.clone()), send(9)),
        following(None, send(10)),
    );
    assert_eq!(one.places(), ["1/7", "1/8"]);
    assert_eq!(other.places(), ["1/9"]);
}
