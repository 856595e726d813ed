"""The portal: web pages that show one published release."""
