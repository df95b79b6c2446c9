//! The Lambda that takes sign-up forms: `functions::signup`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::signup::handle)
}
