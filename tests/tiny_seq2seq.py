"""A T5 model with some hundred thousand random weights and a tokenizer learnt from the texts given, saved to a folder."""


def make_base(folder, texts, words=400, kind="t5"):
    """Save a tiny T5 (or BART) model with a byte-pair tokenizer of at most `words` pieces to `folder`."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import (
        BartConfig,
        BartForConditionalGeneration,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    torch.set_num_threads(1)
    torch.manual_seed(0)
    sentinels = [f"<extra_id_{i}>" for i in range(10)]
    special = ["<pad>", "</s>", "<unk>", "<s>", *(sentinels if kind == "t5" else [])]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    # Chinese stands without spaces: each character is a piece of its own
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="never"),
            pre_tokenizers.Split(Regex(r"[\u4e00-\u9fff]|\d"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=words, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", bos_token="<s>",
        model_max_length=512,
    )  # fmt: skip
    size = len(fast)
    if kind == "t5":
        config = T5Config(
            vocab_size=size, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_decoder_layers=2, num_heads=4,
            dropout_rate=0.0, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, feed_forward_proj="gated-gelu",
        )  # fmt: skip
        model = T5ForConditionalGeneration(config)
    else:
        config = BartConfig(
            vocab_size=size, d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, dropout=0.0, pad_token_id=0,
            bos_token_id=3, eos_token_id=1, decoder_start_token_id=1, forced_eos_token_id=1, max_position_embeddings=256,
        )  # fmt: skip
        model = BartForConditionalGeneration(config)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
