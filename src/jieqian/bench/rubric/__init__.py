"""What a reading is scored by without a model: six rules, each from 0 to 1, each with the text that offends it."""
