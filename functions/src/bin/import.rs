//! The Lambda that imports CSV files: `functions::import`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::import::handle)
}
