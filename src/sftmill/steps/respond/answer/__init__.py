"""An answer for every question: with passages, terms and a fixed form where these are asked for."""
