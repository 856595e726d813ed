"""DESI's trees and files."""
