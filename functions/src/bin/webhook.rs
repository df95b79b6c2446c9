//! The Lambda that tells recipients: `functions::webhook`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::webhook::handle)
}
