//! The Lambda that starts due campaigns, releases arcs and closes: `functions::campaign`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::campaign::handle)
}
