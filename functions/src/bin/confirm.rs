//! The Lambda that completes double opt-ins: `functions::confirm`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::confirm::handle)
}
