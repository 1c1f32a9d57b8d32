use super::*;

#[test]
fn an_error_is_a_refusal_whatever_status_carries_it() {
    let error = json!({"result": null, "error": {"code": -5, "message": "Block not found"}, "id": 0});
    let told = result_of(error, StatusCode::INTERNAL_SERVER_ERROR).unwrap_err();
    assert_eq!(told, Told::Refused { code: -5, message: "Block not found".into() });
}

#[test]
fn too_much_and_not_yet_are_failures_not_answers() {
    let error = |code: i64| json!({"error": {"code": code, "message": ""}, "id": 0});
    assert_eq!(result_of(error(LIMIT_EXCEEDED), StatusCode::OK), Err(Told::Failed(Failure::TooMany)));
    assert_eq!(result_of(error(WARMING_UP), StatusCode::OK), Err(Told::Failed(Failure::Status(503))));
}

#[test]
fn what_has_neither_result_nor_error_is_no_answer() {
    assert_eq!(result_of(json!({"id": 0}), StatusCode::OK), Err(Told::Failed(Failure::Malformed)));
    assert_eq!(result_of(json!({"result": 1}), StatusCode::BAD_GATEWAY), Err(Told::Failed(Failure::Status(502))));
    assert_eq!(result_of(json!({"result": null, "error": null}), StatusCode::OK), Ok(Value::Null));
}
