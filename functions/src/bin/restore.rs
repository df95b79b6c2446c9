//! The Lambda that restores an account's archive: `functions::restore`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::restore::handle)
}
