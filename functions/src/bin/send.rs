//! The Lambda that sends arcs of campaigns: `functions::send`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::send::handle)
}
