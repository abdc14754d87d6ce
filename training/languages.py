"""Sentences in other languages, which are answered with one honest sentence."""

# ruff: noqa: E501 - a language is a line

from __future__ import annotations

from random import Random

ONLY_ENGLISH = "I am nbinfer's small built-in model, and I only read English."

SENTENCES = """
Wie spät ist es jetzt? | Ich möchte ein Glas Wasser, bitte. | Kannst du mir helfen? | Wo wohnt deine Schwester? | Es war einmal ein alter König. | Schreibe mir ein Gedicht über den Herbst. | Der Hund schläft unter dem Tisch. | Was kostet das Brot? | Wir fahren morgen nach Berlin. | Warum ist das Fenster offen? | Erkläre mir bitte diese Funktion. | Guten Morgen, wie geht es Ihnen? | Die Kinder spielen im Garten. | Das habe ich nicht verstanden.
Quelle heure est-il ? | Je voudrais un verre d'eau, s'il vous plaît. | Peux-tu m'aider ? | Où habite ta sœur ? | Il était une fois un vieux roi. | Écris-moi un poème sur l'automne. | Le chien dort sous la table. | Combien coûte le pain ? | Nous partons demain pour Paris. | Pourquoi la fenêtre est-elle ouverte ? | Explique-moi cette fonction. | Bonjour, comment allez-vous ? | Les enfants jouent dans le jardin. | Je n'ai pas compris.
¿Qué hora es? | Quisiera un vaso de agua, por favor. | ¿Puedes ayudarme? | ¿Dónde vive tu hermana? | Había una vez un rey muy viejo. | Escribe un poema sobre el otoño. | El perro duerme debajo de la mesa. | ¿Cuánto cuesta el pan? | Mañana vamos a Madrid. | ¿Por qué está abierta la ventana? | Explícame esta función. | Buenos días, ¿cómo está usted? | Los niños juegan en el jardín. | No lo he entendido.
Che ore sono? | Vorrei un bicchiere d'acqua, per favore. | Mi puoi aiutare? | Dove abita tua sorella? | C'era una volta un vecchio re. | Scrivi una poesia sull'autunno. | Il cane dorme sotto il tavolo. | Quanto costa il pane? | Domani andiamo a Roma. | Perché la finestra è aperta? | Spiegami questa funzione. | Buongiorno, come sta? | I bambini giocano in giardino. | Non ho capito.
Que horas são? | Queria um copo de água, por favor. | Podes ajudar-me? | Onde mora a tua irmã? | Era uma vez um velho rei. | Escreve um poema sobre o outono. | O cão dorme debaixo da mesa. | Quanto custa o pão? | Amanhã vamos a Lisboa. | Por que a janela está aberta? | Explica-me esta função. | Bom dia, como está? | As crianças brincam no jardim. | Não percebi.
Hoe laat is het? | Ik wil graag een glas water. | Kun je me helpen? | Waar woont je zus? | Er was eens een oude koning. | Schrijf een gedicht over de herfst. | De hond slaapt onder de tafel. | Wat kost het brood? | Morgen gaan we naar Utrecht. | Waarom staat het raam open? | Leg me deze functie uit. | Goedemorgen, hoe gaat het met u? | De kinderen spelen in de tuin. | Dat heb ik niet begrepen.
Vad är klockan? | Jag vill ha ett glas vatten, tack. | Kan du hjälpa mig? | Var bor din syster? | Det var en gång en gammal kung. | Skriv en dikt om hösten. | Hunden sover under bordet. | Vad kostar brödet? | I morgon åker vi till Stockholm. | Varför är fönstret öppet? | Förklara den här funktionen. | God morgon, hur mår du? | Barnen leker i trädgården. | Det förstod jag inte.
Która jest godzina? | Poproszę szklankę wody. | Czy możesz mi pomóc? | Gdzie mieszka twoja siostra? | Dawno temu żył stary król. | Napisz wiersz o jesieni. | Pies śpi pod stołem. | Ile kosztuje chleb? | Jutro jedziemy do Krakowa. | Dlaczego okno jest otwarte? | Wyjaśnij mi tę funkcję. | Dzień dobry, jak się pan ma? | Dzieci bawią się w ogrodzie. | Nie zrozumiałem tego.
Saat kaç? | Bir bardak su istiyorum. | Bana yardım eder misin? | Kız kardeşin nerede yaşıyor? | Bir zamanlar yaşlı bir kral vardı. | Sonbahar hakkında bir şiir yaz. | Köpek masanın altında uyuyor. | Ekmek ne kadar? | Yarın Ankara'ya gidiyoruz. | Pencere neden açık? | Bu işlevi bana açıkla. | Günaydın, nasılsınız? | Çocuklar bahçede oynuyor. | Bunu anlamadım.
Который час? | Дайте, пожалуйста, стакан воды. | Ты можешь мне помочь? | Где живёт твоя сестра? | Жил-был старый король. | Напиши стихотворение об осени. | Собака спит под столом. | Сколько стоит хлеб? | Завтра мы едем в Москву. | Почему окно открыто? | Объясни мне эту функцию. | Доброе утро, как дела? | Дети играют в саду. | Я не понял.
Яка зараз година? | Можна склянку води? | Ти можеш мені допомогти? | Де живе твоя сестра? | Жив собі старий король. | Напиши вірш про осінь. | Собака спить під столом. | Скільки коштує хліб? | Завтра ми їдемо до Києва. | Чому вікно відчинене? | Доброго ранку, як справи? | Діти граються в саду.
Τι ώρα είναι; | Θα ήθελα ένα ποτήρι νερό. | Μπορείς να με βοηθήσεις; | Πού μένει η αδελφή σου; | Μια φορά κι έναν καιρό ήταν ένας βασιλιάς. | Γράψε ένα ποίημα για το φθινόπωρο. | Ο σκύλος κοιμάται κάτω από το τραπέζι. | Πόσο κάνει το ψωμί; | Αύριο πάμε στην Αθήνα. | Καλημέρα, τι κάνετε;
كم الساعة الآن؟ | أريد كوبا من الماء من فضلك. | هل يمكنك مساعدتي؟ | أين تسكن أختك؟ | كان يا ما كان ملك عجوز. | اكتب قصيدة عن الخريف. | الكلب ينام تحت الطاولة. | كم ثمن الخبز؟ | غدا نسافر إلى القاهرة. | صباح الخير، كيف حالك؟
מה השעה? | אפשר כוס מים בבקשה? | אתה יכול לעזור לי? | איפה גרה אחותך? | היה היה מלך זקן. | כתוב שיר על הסתיו. | הכלב ישן מתחת לשולחן. | כמה עולה הלחם? | בוקר טוב, מה שלומך?
अभी कितने बजे हैं? | मुझे एक गिलास पानी चाहिए। | क्या आप मेरी मदद कर सकते हैं? | आपकी बहन कहाँ रहती है? | एक समय की बात है, एक बूढ़ा राजा था। | शरद ऋतु पर एक कविता लिखो। | कुत्ता मेज़ के नीचे सो रहा है। | रोटी कितने की है? | कल हम दिल्ली जाएँगे।
现在几点了？ | 请给我一杯水。 | 你能帮我吗？ | 你姐姐住在哪里？ | 从前有一位老国王。 | 写一首关于秋天的诗。 | 狗在桌子下面睡觉。 | 面包多少钱？ | 我们明天去北京。 | 为什么窗户开着？ | 请解释这个函数。 | 早上好，你好吗？ | 孩子们在花园里玩。 | 我没听懂。
今何時ですか。 | 水を一杯ください。 | 手伝ってくれますか。 | お姉さんはどこに住んでいますか。 | 昔々、年老いた王様がいました。 | 秋についての詩を書いてください。 | 犬はテーブルの下で寝ています。 | パンはいくらですか。 | 明日は京都へ行きます。 | この関数を説明してください。 | おはようございます。お元気ですか。 | 子供たちは庭で遊んでいます。
지금 몇 시예요? | 물 한 잔 주세요. | 도와줄 수 있어요? | 언니는 어디에 살아요? | 옛날에 늙은 왕이 있었어요. | 가을에 대한 시를 써 주세요. | 개가 탁자 밑에서 자요. | 빵은 얼마예요? | 내일 서울에 가요. | 이 함수를 설명해 주세요. | 안녕하세요, 잘 지내세요?
"""

LANGUAGES = [line.split(" | ") for line in SENTENCES.strip().split("\n")]


def foreign(rng: Random) -> str:
    """Return one or two sentences of a language, or words of it in a new order."""
    sentences = rng.choice(LANGUAGES)
    if rng.random() < 0.4:
        return " ".join(rng.sample(sentences, rng.choice([1, 1, 2])))
    words = [word for sentence in sentences for word in sentence.split()]
    if len(words) < 2 * len(sentences):
        # Languages that write no blanks: pieces of sentences.
        pieces = [sentence[: rng.randint(2, len(sentence))] for sentence in rng.sample(sentences, 3)]
        return "".join(pieces)
    return " ".join(rng.sample(words, min(len(words), rng.randint(3, 9))))
