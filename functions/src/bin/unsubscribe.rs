//! The Lambda that ends list mail: `functions::unsubscribe`, and nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::unsubscribe::handle)
}
