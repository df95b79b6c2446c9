//! The Lambda that takes in what SES reports of mails: `functions::feedback`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::feedback::handle)
}
