//! The Lambda that sends mails to one person: `functions::notice`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::notice::handle)
}
