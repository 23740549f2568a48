mod messaging;
mod v1;
