//! The Lambda that writes the daily archives: `functions::backup`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::backup::handle)
}
