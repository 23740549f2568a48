mod by_key;
