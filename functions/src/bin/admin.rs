//! The Lambda binary of `admin`: the management API. Nothing else is in it.

fn main() -> Result<(), lambda_runtime::Error> {
    functions::function::serve(functions::admin::handle)
}
