//! The Lambda that opens sealed evidence: `functions::legal`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::legal::handle)
}
