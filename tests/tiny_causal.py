"""Causal language models with some thousand random weights, and a byte tokenizer that they share."""

from sftmill.train.guide import Voice

TEXTS = [
    "光在真空中的速度是每秒 299792458 米。",
    "Light travels 299792458 metres a second in a vacuum.",
    "水在一百度沸腾。",
]
CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(template=None, texts=TEXTS, words=320, more=()):
    """Return a byte-level tokenizer learnt from the texts; `template` is its chat template, `more` further tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=words, special_tokens=["<pad>", "</s>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>")
    fast.add_tokens(list(more))
    fast.chat_template = template
    return fast


def make_voice(seed, tokenizer, padding=0, ends=True, spread=0.5, room=256):
    """Return a voice with random weights; `padding` further rows of its output layer belong to no token."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + padding, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=room, initializer_range=spread,
        eos_token_id=1, bos_token_id=None, pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    if not ends:
        model.generation_config.eos_token_id = None
    return Voice(model, tokenizer, f"tiny {seed}")
