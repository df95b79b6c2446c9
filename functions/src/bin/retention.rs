//! The Lambda that deletes what is due: `functions::retention`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::retention::handle)
}
