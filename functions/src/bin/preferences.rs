//! The Lambda behind the preference page: `functions::preferences`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::preferences::handle)
}
